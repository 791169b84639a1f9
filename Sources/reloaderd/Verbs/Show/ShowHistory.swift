// `history`: a line for each generation, and for each reload that was refused.
import Supervisor

func showHistory(_ call: Call) throws(VerbError) -> Int32 {
    let answer = try Conversation(call).answer()
    if call.isJSON { return printOut(answer.line) }
    let history: History = try answer.decoded()
    if history.entries.isEmpty { return printOut("no generation yet\n") }
    return printOut(table(history.entries).lines.map { $0 + "\n" }.joined())
}

private func table(_ entries: [History.Entry]) -> Table {
    var table = Table([
        .right("GEN"), .left("ASKED"), .left("BY"), .right("TOOK"), .left("OUTCOME"), .left("EXECUTABLE"),
        .left("REASON"),
    ])
    for entry in entries {
        let executable = entry.executable
        let identity = [
            terminalText(executable?.path ?? "-"), executable?.inode.map { "inode \($0)" },
            executable?.modifiedAt.map { "of \(timeText($0))" },
        ].compactMap { $0 }.joined(separator: " ")
        table.add([
            entry.generation.map { "\($0)" } ?? "-", timeText(entry.askedAt), entry.by.map(text) ?? "-",
            entry.seconds.map { secondsText($0) } ?? "-",
            terminalText(entry.outcome ?? "-"), identity, terminalText(entry.reason ?? ""),
        ])
    }
    return table
}

private func text(_ asker: History.Asker) -> String {
    var parts: [String] = []
    if let signal = asker.signal { parts.append("SIG\(terminalText(signal))") }
    if let command = asker.command { parts.append(shortened(terminalText(command))) }
    if let userID = asker.userID { parts.append("uid \(userID)") }
    if let pid = asker.pid { parts.append("pid \(pid)") }
    return parts.joined(separator: " ")
}

/// The daemon tells the whole command line; who wants it all asks for --json.
private func shortened(_ command: String) -> String {
    let charactersMax = 40
    return command.count <= charactersMax ? command : command.prefix(charactersMax - 3) + "..."
}
