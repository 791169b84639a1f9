// `status` for people: head lines for the pool, the roll, generations and listeners, then a table of the workers.
//
//     web  running  generation 2  4 workers  pid 4242  since 2026-11-24 21:34:05Z  reloaderd 0.1.0
//     program    ./run --port 8080
//     roll       to generation 3 from 2, 2/4 slots, 12s
//     ...

struct StatusText {
    let lines: [String]

    /// - Parameter width: where the lines are cut; nil: nowhere.
    init(_ status: PoolStatus, width: Int? = nil) {
        let all = Self.head(status) + [""] + Self.table(status.slots).lines + Self.holders(status.slots)
        lines = width.map { width in all.map { fitted($0, width: width) } } ?? all
    }

    private static func head(_ status: PoolStatus) -> [String] {
        let pool = status.pool
        let newest = pool.newest == pool.generation ? "" : " (newest \(pool.newest))"
        let title = [
            terminalText(pool.name), terminalText(pool.phase), "generation \(pool.generation)\(newest)",
            "\(pool.workers) \(pool.workers == 1 ? "worker" : "workers")", "pid \(pool.pid)",
            "since \(timeText(pool.startedAt))", "reloaderd \(terminalText(pool.version))",
        ]
        var lines = [title.joined(separator: "  ")]
        lines.append(
            labelled("program", ([pool.program] + pool.arguments).map { terminalText($0) }.joined(separator: " ")))
        if let roll = status.roll { lines.append(labelled("roll", text(roll))) }
        if let last = status.lastReload { lines.append(labelled("last", text(last))) }
        lines += status.generations.map { labelled("generation", text($0)) }
        lines += status.listeners.map { labelled("listener", text($0)) }
        lines += status.left.map { labelled("left", text($0)) }
        return lines
    }

    private static func labelled(_ label: String, _ text: String) -> String { padded(label, 12) + text }

    private static func text(_ roll: PoolStatus.Roll) -> String {
        let verb = roll.isRevert ? "back to" : "to"
        var text = "\(verb) generation \(roll.target) from \(roll.base), \(roll.replaced)/\(roll.workers) slots, "
        text += durationText(roll.seconds)
        if let waitingFor = roll.waitingFor { text += ", waits for \(terminalText(waitingFor))" }
        return text
    }

    private static func text(_ reload: PoolStatus.Reload) -> String {
        let time = reload.seconds.map { " after \(secondsText($0))" } ?? ""
        let reason = reload.reason.map { ": \(terminalText($0))" } ?? ""
        return "reload to generation \(reload.generation) \(terminalText(reload.outcome))\(time)\(reason)"
    }

    private static func text(_ generation: PoolStatus.Generation) -> String {
        let place = "\(terminalText(generation.executable)) in \(terminalText(generation.workingDirectory))"
        return "\(generation.number) \(terminalText(generation.state)), made \(timeText(generation.madeAt)): \(place)"
    }

    private static func text(_ listener: PoolStatus.Listener) -> String {
        let name = listener.name.map { "\(terminalText($0)) " } ?? ""
        return "\(name)\(terminalText(listener.address))" + (listener.queue.map { ", \($0) in the queue" } ?? "")
    }

    private static func text(_ left: PoolStatus.LeftProcess) -> String {
        let command = left.command.map { " (\(terminalText($0)))" } ?? ""
        let end = left.killSeconds.map { "SIGKILL in \(durationText($0))" } ?? "killed"
        return "pid \(left.pid)\(command) of a worker of slot \(left.slot) that is gone, \(end)"
    }

    private static func table(_ slots: [PoolStatus.Slot]) -> Table {
        var table = Table([
            .right("SLOT"), .right("GEN"), .right("PID"), .left("STATE"), .right("SINCE"), .right("RESTARTS"),
            .right("BACKOFF"), .right("MEMORY"), .right("CPU"), .right("CONNS"), .right("QUEUE"), .left("STATUS"),
        ])
        for slot in slots {
            let backoff = slot.backoffSeconds.map { secondsText($0) } ?? "-"
            if slot.workers.isEmpty { table.add(row(slot, backoff)) }
            for worker in slot.workers { table.add(row(slot, worker, backoff)) }
        }
        return table
    }

    /// A slot without a worker.
    private static func row(_ slot: PoolStatus.Slot, _ backoff: String) -> [String] {
        let generation = slot.generation.map { "\($0)" } ?? "-"
        let state = slot.backoffSeconds == nil ? "empty" : "backoff"
        let why = slot.failures > 0 ? "\(slot.failures) \(slot.failures == 1 ? "failure" : "failures") in a row" : ""
        return ["\(slot.slot)", generation, "-", state, "-", "-", backoff, "-", "-", "-", "-", why]
    }

    private static func row(_ slot: PoolStatus.Slot, _ worker: WorkerStatus, _ backoff: String) -> [String] {
        func count(_ number: Int?) -> String { number.map { "\($0)" } ?? "-" }
        return [
            "\(slot.slot)", "\(worker.generation)", "\(worker.pid)", terminalText(worker.state),
            durationText(worker.seconds), count(worker.restarts), backoff,
            worker.memoryBytes.map { memoryText($0) } ?? "-", worker.cpuSeconds.map { secondsText($0) } ?? "-",
            count(worker.connections), count(worker.queue), remark(worker),
        ]
    }

    private static func remark(_ worker: WorkerStatus) -> String {
        let own = worker.status.map { terminalText($0) } ?? ""
        let parts = [worker.drain.map(text) ?? "", own]
        return parts.filter { !$0.isEmpty }.joined(separator: "; ")
    }

    private static func text(_ drain: WorkerStatus.Drain) -> String {
        var parts: [String] = []
        if let connections = drain.connections {
            parts.append("\(connections) \(connections == 1 ? "connection" : "connections")")
        }
        if let queue = drain.queue { parts.append("\(queue) in the queue") }
        if parts.isEmpty { return "" }
        return "waits for " + parts.joined(separator: ", ")
            + (drain.seconds.map { ", since \(durationText($0))" } ?? "")
    }
}
