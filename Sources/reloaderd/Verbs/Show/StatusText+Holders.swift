// Below the table of `status`: which connections the workers that drain still have, and why each is not closed.
//
//     pid 11652 waits for
//         192.0.2.7:4711    12s  a request that was not answered, for 11.8s
//         and 4 more

extension StatusText {
    static func holders(_ slots: [PoolStatus.Slot]) -> [String] {
        slots.flatMap { $0.workers }.flatMap { worker -> [String] in
            guard let drain = worker.drain, !drain.holders.isEmpty else { return [] }
            var lines = ["", "pid \(worker.pid) waits for"]
            let peers = drain.holders.map { terminalText($0.peer) }
            let width = peers.map { $0.count }.max() ?? 0
            for (holder, peer) in zip(drain.holders, peers) {
                let time = padded(durationText(holder.seconds), 5)
                lines.append("    \(padded(peer, width))  \(time)  \(terminalText(holder.why))")
            }
            let others = (drain.connections ?? 0) - drain.holders.count
            if others > 0 { lines.append("    and \(others) more") }
            return lines
        }
    }
}
