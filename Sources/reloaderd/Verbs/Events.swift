// `events`: the last lines of the daemon's log, and with --follow the new ones.
import Supervisor

extension Verb {
    static let events = Verb(
        "events", "the last lines of the daemon's log",
        options: VerbOptions.lastLines + [VerbOptions.follow, VerbOptions.json],
        explanation: "Shows the last lines of the daemon's log, and with --follow the new ones.",
        run: showEvents)
}

private func showEvents(_ call: Call) throws(VerbError) -> Int32 {
    try showStream(call, eventText: { (message) throws(VerbError) in text(try message.decoded()) })
}

/// Prints events as they come: until the answer, or with `--follow` until the command is interrupted.
///
/// - Parameters:
///   - eventText: the text of an event.
///   - resultText: the text of the answer; nil if the answer only marks the end.
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

/// One line of the daemon's log.
private struct EventRecord: Answer {
    let time: String
    let level: String
    let event: String
    let slot: Int?
    let generation: Int?
    let pid: Int?
    let message: String

    init(_ json: JSON) throws(AnswerError) {
        time = try json.text("time")
        level = try json.text("level")
        event = try json.text("event")
        slot = json["slot"]?.whole
        generation = json["generation"]?.whole
        pid = json["pid"]?.whole
        message = try json.text("msg")
    }
}
