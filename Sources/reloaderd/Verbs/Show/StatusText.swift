// `status` for people: head lines for the pool, the roll, generations and ports, then a table of the workers.
//
//     web  running  3/4 ready  generation 2 (newest 3)  pid 4242  up 3h12m
//     program     ./run --port 8080
//     roll        to generation 3 from 2, 2/4 slots, 12s
//     ...

import Supervisor

struct StatusText {
    let lines: [String]

    /// Every terminal has so many columns, and so has what is pasted into a ticket.
    static let columns = 80

    /// - Parameter width: where the lines are cut; nil: nowhere.
    init(_ status: PoolStatus, cpu: CPUShare = CPUShare(), width: Int? = nil) {
        let all = Self.head(status) + [""] + Self.table(status.slots, cpu) + Self.holders(status.slots)
        lines = width.map { width in all.map { fitted($0, width: width) } } ?? all
    }

    private static func head(_ status: PoolStatus) -> [String] {
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

    /// Lines of at most 80 columns, as far as their words let them.
    private static func labelled(_ label: String, _ text: String) -> [String] {
        wrapped(text, width: columns - 12).enumerated().map { padded($0 == 0 ? label : "", 12) + $1 }
    }

    private static func text(_ failing: PoolStatus.Failing) -> String {
        "\(counted(failing.slots, "slot")) without a worker that serves"
            + (failing.reason.map { "; the last failure: \(terminalText($0))" } ?? "")
    }

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
        let made =
            "\(generation.number) \(terminalText(generation.state)), made \(timeText(generation.madeAt)): \(place)"
        let note = generation.note.map { " (\(terminalText($0)))" } ?? ""
        let changed = generation.changedFiles.map { terminalText($0) }.joined(separator: ", ")
        return made + note + (changed.isEmpty ? "" : "; changed since it was made: \(changed)")
    }

    private static func text(_ listener: PoolStatus.Listener) -> String {
        let name = listener.name.map { "\(terminalText($0)) " } ?? ""
        let workers = listener.workers.map { counted($0, "worker") } ?? ""
        let owner =
            switch listener.kind {
            case "shared": ", shared by \(workers)"
            case "own": ", opened by \(workers)"
            default: ""
            }
        let queue = listener.queue.map { ", \($0) in the queue" } ?? ""
        return "\(name)\(terminalText(listener.address))\(owner)\(queue)"
    }

    private static func text(_ left: PoolStatus.LeftProcess) -> String {
        let command = left.command.map { " (\(terminalText($0)))" } ?? ""
        let end = left.killSeconds.map { "SIGKILL in \(durationText($0))" } ?? "killed"
        return "pid \(left.pid)\(command) of a worker of slot \(left.slot) that is gone, \(end)"
    }

    // MARK: workers

    private static func table(_ slots: [PoolStatus.Slot], _ cpu: CPUShare) -> [String] {
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
    private static func row(_ slot: PoolStatus.Slot) -> [String] {
        let generation = slot.generation.map { "\($0)" } ?? "-"
        let state = slot.backoffSeconds == nil ? "empty" : "backoff"
        return ["\(slot.slot)", generation, "-", state, "-", "-", "-", "-", "-", "-"]
    }

    private static func remark(_ slot: PoolStatus.Slot) -> String {
        var parts: [String] = []
        if slot.failures > 0 { parts.append("\(counted(slot.failures, "failure")) in a row") }
        if let backoff = slot.backoffSeconds { parts.append("next start in \(secondsText(backoff))") }
        let failure = slot.failures > 0 ? slot.lastFailure.map { ": \(terminalText($0))" } ?? "" : ""
        return parts.joined(separator: ", ") + failure
    }

    private static func row(_ slot: PoolStatus.Slot, _ worker: WorkerStatus, _ cpu: CPUShare) -> [String] {
        func count(_ number: Int?) -> String { number.map { "\($0)" } ?? "-" }
        return [
            "\(slot.slot)", "\(worker.generation)", "\(worker.pid)", terminalText(worker.state),
            durationText(worker.seconds), count(worker.restarts), worker.memoryBytes.map { memoryText($0) } ?? "-",
            cpu.percent(worker).map { percentText($0) } ?? "-", count(worker.connections), count(worker.queue),
        ]
    }

    private static func remark(_ worker: WorkerStatus) -> String {
        let own = worker.status.map { terminalText($0) } ?? ""
        let parts = [worker.drain.map(text) ?? "", own]
        return parts.filter { !$0.isEmpty }.joined(separator: "; ")
    }

    private static func text(_ drain: WorkerStatus.Drain) -> String {
        var parts: [String] = []
        if let connections = drain.connections { parts.append(counted(connections, "connection")) }
        if let queue = drain.queue { parts.append("\(queue) in the queue") }
        if parts.isEmpty { return "" }
        return "waits for " + parts.joined(separator: ", ")
            + (drain.seconds.map { ", since \(durationText($0))" } ?? "")
    }
}

/// `3/4 ready`; of a daemon that does not say it `4 workers`.
func readyText(_ pool: PoolStatus.Pool) -> String {
    pool.ready.map { "\($0)/\(pool.workers) ready" } ?? counted(pool.workers, "worker")
}
