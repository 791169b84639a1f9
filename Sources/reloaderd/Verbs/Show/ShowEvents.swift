// `events`: the lines of the daemon's log, those that it still has and those to come.
import Supervisor

func showEvents(_ call: Call) throws(VerbError) -> Int32 {
    try showStream(call, eventText: { (message) throws(VerbError) in text(try message.decoded()) })
}

/// Prints events as they come, until the answer; with `--follow` until it is interrupted.
///
/// - Parameter resultText: what the answer says besides that it is the end; nil: nothing.
func showStream(
    _ call: Call, eventText: @escaping (Message) throws(VerbError) -> String,
    resultText: ((Message) throws(VerbError) -> String)? = nil
) throws(VerbError) -> Int32 {
    var call = call
    let follows = call.request.follow ?? false
    call.request.follow = follows
    let conversation = try Conversation(call)
    while true {
        let message = follows ? try conversation.next() : try conversation.nextSoon()
        let isResult = message.kind == .result
        if let text = isResult ? resultText : eventText {
            let status = printOut(call.isJSON ? message.line : try text(message))
            if status != 0 { return status }
        }
        if isResult && !follows { return 0 }
    }
}

private func text(_ record: EventRecord) -> String {
    var text = "\(timeText(record.time)) \(padded(terminalText(record.level), 7)) \(terminalText(record.event))"
    if let slot = record.slot { text += " slot \(slot)" }
    if let generation = record.generation { text += " generation \(generation)" }
    if let pid = record.pid { text += " pid \(pid)" }
    return text + ": \(terminalText(record.message))\n"
}
