// `status`: shows the pool once, or again each second.
import Glibc
import Reloader
import Supervisor

extension Verb {
    static let status = Verb(
        "status", "slots, workers, generations, listeners, and what is going on",
        options: [VerbOptions.json, watchOption, exitCodeOption],
        explanation: "Shows the pool: slots, workers, generations, listeners, and what is going on.",
        run: showStatus)

    private static let watchOption = VerbOption("watch", .verb, "again each second, until interrupted") {
        (_, call) throws(ConfigurationError) in call.isWatching = true
    }

    private static let exitCodeOption = VerbOption("exit-code", .verb, "0: all ready, 1: failing, 2: neither") {
        (_, call) throws(ConfigurationError) in call.wantsExitCode = true
    }
}

private func showStatus(_ call: Call) throws(VerbError) -> Int32 {
    let conversation = try Conversation(call)
    let answer = try conversation.answer()
    let status: VerbStatus = try answer.decoded()
    if call.isWatching { return try watch(conversation, call, from: status) }
    let result = printOut(call.isJSON ? answer.line : StatusText(status).lines.map { $0 + "\n" }.joined())
    return result == 0 && call.wantsExitCode ? exitCode(status.pool) : result
}

/// For scripts: every slot has a worker that serves, or slots fail, or neither.
private func exitCode(_ pool: VerbStatus.Pool) -> Int32 {
    switch PoolPhase(rawValue: pool.phase) {
    case .failing: ExitStatus.failed
    case .running, .paused: pool.ready == pool.workers ? 0 : ExitStatus.notReady
    case .drained, .stopping, nil: ExitStatus.notReady
    }
}

// MARK: --watch

/// Continues until it is interrupted, or the daemon has ended.
private func watch(_ conversation: Conversation, _ call: Call, from first: VerbStatus) throws(VerbError) -> Int32 {
    let terminal = Terminal.output
    var status = first
    var cpu = CPUShare()
    if terminal != nil { printOut(Terminal.eraseScreen) }
    while true {
        let result = terminal.map { redraw(status, cpu, on: $0) } ?? printOut(plain(status, cpu))
        if result != 0 { return result }
        cpu.look(status)
        try conversation.pause(until: MonotonicClock.now() + .seconds(1))
        try conversation.connection.send(call.request)
        status = try conversation.answer().decoded()
    }
}

/// Redraws in place, line by line, so that nothing flickers. Lines that do not fit on the screen are left out.
private func redraw(_ status: VerbStatus, _ cpu: CPUShare, on terminal: Terminal) -> Int32 {
    let (columns, rows) = terminal.size
    var lines = StatusText(status, cpu: cpu, width: columns).lines
    // The cursor's line stays free.
    if lines.count > rows - 1 {
        let hidden = lines.count - (rows - 2)
        lines = lines.prefix(max(0, rows - 2)) + [fitted("... \(hidden) more lines", width: columns)]
    }
    let text = lines.map { $0 + Terminal.eraseToEndOfLine + "\n" }.joined()
    return printOut(Terminal.home + text + Terminal.eraseToEndOfScreen)
}

private func plain(_ status: VerbStatus, _ cpu: CPUShare) -> String {
    StatusText(status, cpu: cpu).lines.map { $0 + "\n" }.joined() + "\n"
}

/// How much of a CPU each worker uses: since its start, or, with --watch, since the last look.
struct CPUShare {
    private struct Sample {
        let age: Double
        let cpuSeconds: Double
    }

    private var last: [Int: Sample] = [:]

    /// Percent of one CPU; nil if it is unknown.
    func percent(_ worker: VerbStatus.Worker) -> Double? {
        guard let age = worker.age, let used = worker.cpuSeconds else { return nil }
        let before = worker.id.flatMap { last[$0] } ?? Sample(age: 0, cpuSeconds: 0)
        // The time of a child process that has ended no longer counts, so that the sum may shrink.
        guard age > before.age, used >= before.cpuSeconds else { return age > 0 ? 100 * used / age : nil }
        return 100 * (used - before.cpuSeconds) / (age - before.age)
    }

    /// Makes `status` the last look.
    mutating func look(_ status: VerbStatus) {
        last = [:]
        for worker in status.slots.flatMap({ $0.workers }) {
            if let id = worker.id, let age = worker.age, let used = worker.cpuSeconds {
                last[id] = Sample(age: age, cpuSeconds: used)
            }
        }
    }
}
