// The text of `status`: lines for the pool, the roll, generations and ports, then a table of the workers, then the
// connections that draining workers wait for.
//
//     web  running  3/4 ready  generation 2 (newest 3)  pid 4242  up 3h12m
//     program     ./run --port 8080
//     roll        to generation 3 from 2, 2/4 slots, 12s
//     ...
//     pid 11652 waits for
//         192.0.2.7:4711    12s  a request unanswered for 11.8s
//         and 4 more
import Supervisor

struct StatusText {
    let lines: [String]

    /// Every terminal has this many columns, and text that is pasted into a ticket keeps its lines.
    static let columns = 80

    /// - Parameter width: lines are cut to this many characters; nil: they are not cut.
    init(_ status: VerbStatus, cpu: CPUShare = CPUShare(), width: Int? = nil) {
        let all = Self.head(status) + [""] + Self.table(status.slots, cpu) + Self.holders(status.slots)
        lines = width.map { width in all.map { fitted($0, width: width) } } ?? all
    }

    private static func head(_ status: VerbStatus) -> [String] {
        let pool = status.pool
        let newest = pool.newest == pool.generation ? "" : " (newest \(pool.newest))"
        let title = [
            terminalText(pool.name), terminalText(pool.phase), readyText(pool),
            "generation \(pool.generation)\(newest)", "pid \(pool.pid)", "reloaderd \(terminalText(pool.version))",
        ]
        var lines = [title.joined(separator: "  ")]
        if let failing = pool.failing { lines += labelled("failing", text(failing)) }
        lines += labelled("program", ([pool.program] + pool.arguments).map { terminalText($0) }.joined(separator: " "))
        lines += labelled("started", timeText(pool.startedAt))
        if let roll = status.roll { lines += labelled("roll", text(roll)) }
        if let last = status.lastReload { lines += labelled("last", text(last)) }
        lines += status.generations.flatMap { labelled("generation", text($0)) }
        lines += status.listeners.flatMap { labelled("listener", text($0)) }
        lines += status.left.flatMap { labelled("left", text($0)) }
        return lines
    }

    /// Lines of at most 80 columns, unless a single word is longer.
    private static func labelled(_ label: String, _ text: String) -> [String] {
        wrapped(text, width: columns - 12).enumerated().map { padded($0 == 0 ? label : "", 12) + $1 }
    }

    private static func text(_ failing: VerbStatus.Failing) -> String {
        "\(counted(failing.slots, "slot")) without a worker that serves"
            + (failing.reason.map { "; the last failure: \(terminalText($0))" } ?? "")
    }

    private static func text(_ roll: VerbStatus.Roll) -> String {
        let verb = roll.isRevert ? "back to" : "to"
        var text = "\(verb) generation \(roll.target) from \(roll.base), \(roll.replaced)/\(roll.workers) slots, "
        text += durationText(roll.seconds)
        if let waitingFor = roll.waitingFor { text += ", waits for \(terminalText(waitingFor))" }
        return text
    }

    private static func text(_ reload: VerbStatus.Reload) -> String {
        let time = reload.seconds.map { " after \(secondsText($0))" } ?? ""
        let reason = reload.reason.map { ": \(terminalText($0))" } ?? ""
        return "reload to generation \(reload.generation) \(terminalText(reload.outcome))\(time)\(reason)"
    }

    private static func text(_ generation: VerbStatus.Generation) -> String {
        let place = "\(terminalText(generation.executable)) in \(terminalText(generation.workingDirectory))"
        let made =
            "\(generation.number) \(terminalText(generation.state)), made \(timeText(generation.madeAt)): \(place)"
        let note = generation.note.map { " (\(terminalText($0)))" } ?? ""
        let changed = generation.changedFiles.map { terminalText($0) }.joined(separator: ", ")
        return made + note + (changed.isEmpty ? "" : "; changed since it was made: \(changed)")
    }

    private static func text(_ listener: VerbStatus.Listener) -> String {
        let name = listener.name.map { "\(terminalText($0)) " } ?? ""
        let workers = listener.workers.map { counted($0, "worker") } ?? ""
        let owner =
            switch listener.kind {
            case .shared: ", shared by \(workers)"
            case .own: ", opened by \(workers)"
            case .listen, nil: ""
            }
        let queue = listener.queue.map { ", \($0) in the queue" } ?? ""
        return "\(name)\(terminalText(listener.address))\(owner)\(queue)"
    }

    private static func text(_ left: VerbStatus.LeftProcess) -> String {
        let command = left.command.map { " (\(terminalText($0)))" } ?? ""
        let end = left.killSeconds.map { "SIGKILL in \(durationText($0))" } ?? "killed"
        return "pid \(left.pid)\(command) left by a worker of slot \(left.slot) that has ended, \(end)"
    }

    // MARK: workers

    private static func table(_ slots: [VerbStatus.Slot], _ cpu: CPUShare) -> [String] {
        var table = Table([
            .right("SLOT"), .right("GEN"), .right("PID"), .left("STATE"), .right("SINCE"), .right("RESTARTS"),
            .right("MEMORY"), .right("CPU"), .right("CONNS"), .right("QUEUE"),
        ])
        for slot in slots {
            if slot.workers.isEmpty { table.add(row(slot), remark: remark(slot)) }
            for worker in slot.workers { table.add(row(slot, worker, cpu), remark: remark(worker)) }
        }
        return table.lines
    }

    /// A slot without a worker.
    private static func row(_ slot: VerbStatus.Slot) -> [String] {
        let generation = slot.generation.map { "\($0)" } ?? "-"
        let state = slot.backoffSeconds == nil ? "empty" : "backoff"
        return ["\(slot.slot)", generation, "-", state, "-", "-", "-", "-", "-", "-"]
    }

    private static func remark(_ slot: VerbStatus.Slot) -> String {
        var parts: [String] = []
        if slot.failures > 0 { parts.append("\(counted(slot.failures, "failure")) in a row") }
        if let backoff = slot.backoffSeconds { parts.append("next start in \(secondsText(backoff))") }
        let failure = slot.failures > 0 ? slot.lastFailure.map { ": \(terminalText($0))" } ?? "" : ""
        return parts.joined(separator: ", ") + failure
    }

    private static func row(_ slot: VerbStatus.Slot, _ worker: VerbStatus.Worker, _ cpu: CPUShare) -> [String] {
        func count(_ number: Int?) -> String { number.map { "\($0)" } ?? "-" }
        return [
            "\(slot.slot)", "\(worker.generation)", "\(worker.pid)", terminalText(worker.state),
            durationText(worker.seconds), count(worker.restarts), worker.memoryBytes.map { memoryText($0) } ?? "-",
            cpu.percent(worker).map { percentText($0) } ?? "-", count(worker.connections), count(worker.queue),
        ]
    }

    private static func remark(_ worker: VerbStatus.Worker) -> String {
        let own = worker.status.map { terminalText($0) } ?? ""
        let parts = [worker.drain.map(text) ?? "", own]
        return parts.filter { !$0.isEmpty }.joined(separator: "; ")
    }

    private static func text(_ drain: VerbStatus.Worker.Drain) -> String {
        var parts: [String] = []
        if let connections = drain.connections { parts.append(counted(connections, "connection")) }
        if let queue = drain.queue { parts.append("\(queue) in the queue") }
        if parts.isEmpty { return "" }
        return "waits for " + parts.joined(separator: ", ")
            + (drain.seconds.map { ", since \(durationText($0))" } ?? "")
    }

    // MARK: what workers wait for

    private static func holders(_ slots: [VerbStatus.Slot]) -> [String] {
        slots.flatMap { $0.workers }.flatMap { worker -> [String] in
            guard let drain = worker.drain, !drain.holders.isEmpty else { return [] }
            var lines = ["", "pid \(worker.pid) waits for"]
            let peers = drain.holders.map { terminalText($0.peer) }
            let width = peers.map { $0.count }.max() ?? 0
            for (holder, peer) in zip(drain.holders, peers) {
                let time = padded(durationText(holder.seconds), 5)
                lines.append("    \(padded(peer, width))  \(time)  \(terminalText(holder.why))")
            }
            let others = max(0, drain.connections ?? 0) - drain.holders.count
            if others > 0 { lines.append("    and \(others) more") }
            return lines
        }
    }
}

/// `3/4 ready`, or `4 workers` if the daemon does not say how many are ready.
private func readyText(_ pool: VerbStatus.Pool) -> String {
    pool.ready.map { "\($0)/\(pool.workers) ready" } ?? counted(pool.workers, "worker")
}
