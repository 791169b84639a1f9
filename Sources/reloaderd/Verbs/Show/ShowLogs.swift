// `logs`: what workers wrote to standard error last.

func showLogs(_ call: Call) throws(VerbError) -> Int32 {
    try showStream(
        call,
        eventText: { (message) throws(VerbError) in text(try message.decoded()) },
        resultText: { (message) throws(VerbError) in
            let answer: LogLines = try message.decoded()
            return answer.lines.map(text).joined() + (answer.note.map { "\(terminalText($0))\n" } ?? "")
        })
}

/// `slot 0 generation 2 pid 4242 | Traceback …`, with `(ended)` for a worker that is no more.
private func text(_ line: LogLines.Line) -> String {
    let end = line.hasEnded ? " (ended)" : ""
    return "slot \(line.slot) generation \(line.generation) pid \(line.pid)\(end) | \(terminalText(line.line))\n"
}
