// `logs`: the last lines that workers wrote.
import Supervisor

extension Verb {
    static let logs = Verb(
        "logs", "the last lines that workers wrote",
        options: VerbOptions.lastLines + [onlySlot, times, long, VerbOptions.follow, VerbOptions.json],
        explanation: """
            Shows the last lines that each worker wrote to standard output and standard
            error, sorted by time; for each slot also those of its last worker that ended.
            """,
        run: showLogs)

    private static let onlySlot = VerbOption("slot", value: "N", .verb, "the lines of this slot only") {
        (text, call) throws(ConfigurationError) in call.request.slot = try parseSlot(text)
    }

    private static let times = VerbOption("timestamps", short: "t", .verb, "each line with its time") {
        (_, call) throws(ConfigurationError) in call.showsTimes = true
    }

    private static let long = VerbOption("long", short: "l", .verb, "with time, generation, PID and stream") {
        (_, call) throws(ConfigurationError) in call.isLong = true
    }
}

private func showLogs(_ call: Call) throws(VerbError) -> Int32 {
    let usesColour = Terminal.usesColour
    func text(_ line: LogLines.Line) -> String {
        let words = call.isLong ? longWords(line) : words(line, withTime: call.showsTimes)
        let source = usesColour ? Terminal.painted(words, asSlot: line.slot) : words
        return "\(source) | \(terminalText(line.line))\n"
    }
    return try showStream(
        call,
        eventText: { (message) throws(VerbError) in text(try message.decoded()) },
        resultText: { (message) throws(VerbError) in
            let answer: LogLines = try message.decoded()
            return answer.lines.map(text).joined() + (answer.note.map { "\(terminalText($0))\n" } ?? "")
        })
}

/// `slot 0`, with `(ended)` if the worker has ended.
private func words(_ line: LogLines.Line, withTime: Bool) -> String {
    let time = withTime && !line.time.isEmpty ? "\(timeText(line.time)) " : ""
    return "\(time)slot \(line.slot)\(line.hasEnded ? " (ended)" : "")"
}

/// `2026-11-24 21:34:05Z slot 0 generation 2 pid 4242 (ended) stderr`.
private func longWords(_ line: LogLines.Line) -> String {
    let time = line.time.isEmpty ? "" : "\(timeText(line.time)) "
    let worker = "slot \(line.slot) generation \(line.generation) pid \(line.pid)\(line.hasEnded ? " (ended)" : "")"
    return "\(time)\(worker) \(terminalText(line.stream))"
}

/// The daemon's answer to `logs`; with `--follow` each line comes as an event.
private struct LogLines: Answer {
    let lines: [Line]
    /// Why lines may be missing.
    let note: String?

    init(_ json: JSON) throws(AnswerError) {
        lines = try json.list("lines")
        note = json["note"]?.text
    }

    struct Line: Answer {
        let slot: Int
        let pid: Int
        let generation: Int
        let hasEnded: Bool
        /// Empty if the daemon is older and does not say.
        let time: String
        /// `stdout` or `stderr`.
        let stream: String
        let line: String

        init(_ json: JSON) throws(AnswerError) {
            slot = try json.whole("slot")
            pid = try json.whole("pid")
            generation = try json.whole("generation")
            hasEnded = json["alive"] == .bool(false)
            time = json["time"]?.text ?? ""
            stream = json["stream"]?.text ?? "stderr"
            line = try json.text("line")
        }
    }
}
