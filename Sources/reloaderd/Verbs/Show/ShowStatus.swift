// `status`: once, or again each second.
import Glibc
import Supervisor

func showStatus(_ call: Call) throws(VerbError) -> Int32 {
    let conversation = try Conversation(call)
    let answer = try conversation.answer()
    if call.isJSON { return printOut(answer.line) }
    if call.isWatching { return try watch(conversation, call, from: try answer.decoded()) }
    let text = StatusText(try answer.decoded())
    return printOut(text.lines.map { $0 + "\n" }.joined())
}

/// Goes on until it is interrupted, or the daemon has gone.
private func watch(_ conversation: Conversation, _ call: Call, from first: PoolStatus) throws(VerbError) -> Int32 {
    let terminal = Terminal.output
    var status = first
    if terminal != nil { printOut(Terminal.eraseScreen) }
    while true {
        let result = terminal.map { redraw(status, on: $0) } ?? printOut(plain(status))
        if result != 0 { return result }
        try conversation.pause(until: Moment.now() + 1)
        try conversation.connection.send(call.request)
        status = try conversation.answer().decoded()
    }
}

/// In place: line by line, so that nothing flickers; what has no room is left out.
private func redraw(_ status: PoolStatus, on terminal: Terminal) -> Int32 {
    let (columns, rows) = terminal.size
    var lines = StatusText(status, width: columns).lines
    // The cursor's line stays free.
    if lines.count > rows - 1 {
        let hidden = lines.count - (rows - 2)
        lines = lines.prefix(max(0, rows - 2)) + [fitted("... \(hidden) more lines", width: columns)]
    }
    let text = lines.map { $0 + Terminal.eraseToEndOfLine + "\n" }.joined()
    return printOut(Terminal.home + text + Terminal.eraseToEndOfScreen)
}

private func plain(_ status: PoolStatus) -> String { StatusText(status).lines.map { $0 + "\n" }.joined() + "\n" }
