// `logs`: what workers wrote last.

func showLogs(_ call: Call) throws(VerbError) -> Int32 {
    try showStream(
        call,
        eventText: { (message) throws(VerbError) in text(try message.decoded()) },
        resultText: { (message) throws(VerbError) in
            let answer: LogLines = try message.decoded()
            return answer.lines.map(text).joined() + (answer.note.map { "\(terminalText($0))\n" } ?? "")
        })
}

/// `2026-11-24 21:34:05Z slot 0 generation 2 pid 4242 stderr | Traceback …`, with `(ended)` for a worker that is no more.
private func text(_ line: LogLines.Line) -> String {
    let time = line.time.isEmpty ? "" : "\(timeText(line.time)) "
    let end = line.hasEnded ? " (ended)" : ""
    let worker = "slot \(line.slot) generation \(line.generation) pid \(line.pid)\(end)"
    return "\(time)\(worker) \(terminalText(line.stream)) | \(terminalText(line.line))\n"
}
