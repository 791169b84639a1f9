// `status`: once, or again each second.
import Glibc
import Supervisor

func showStatus(_ call: Call) throws(VerbError) -> Int32 {
    let conversation = try Conversation(call)
    let answer = try conversation.answer()
    let status: PoolStatus = try answer.decoded()
    if call.isWatching { return try watch(conversation, call, from: status) }
    let result = printOut(call.isJSON ? answer.line : StatusText(status).lines.map { $0 + "\n" }.joined())
    return result == 0 && call.wantsExitCode ? exitCode(status.pool) : result
}

/// For scripts: the pool serves with all that it is to have, or workers fail, or neither.
private func exitCode(_ pool: PoolStatus.Pool) -> Int32 {
    switch pool.phase {
    case "failing": ExitStatus.failed
    case "running", "paused": pool.ready == pool.workers ? 0 : ExitStatus.notReady
    default: ExitStatus.notReady
    }
}

/// Goes on until it is interrupted, or the daemon has gone.
private func watch(_ conversation: Conversation, _ call: Call, from first: PoolStatus) throws(VerbError) -> Int32 {
    let terminal = Terminal.output
    var status = first
    var cpu = CPUShare()
    if terminal != nil { printOut(Terminal.eraseScreen) }
    while true {
        let result = terminal.map { redraw(status, cpu, on: $0) } ?? printOut(plain(status, cpu))
        if result != 0 { return result }
        cpu.look(status)
        try conversation.pause(until: Moment.now() + 1)
        try conversation.connection.send(call.request)
        status = try conversation.answer().decoded()
    }
}

/// In place: line by line, so that nothing flickers; what has no room is left out.
private func redraw(_ status: PoolStatus, _ cpu: CPUShare, on terminal: Terminal) -> Int32 {
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

private func plain(_ status: PoolStatus, _ cpu: CPUShare) -> String {
    StatusText(status, cpu: cpu).lines.map { $0 + "\n" }.joined() + "\n"
}
