// `history`: each generation, and each reload that was refused: a line, and below it what it was about.
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
        .right("GEN"), .left("WHEN"), .left("WHAT"), .left("OUTCOME"), .right("TOOK"), .cutAtStart("DIRECTORY"),
    ])
    for entry in entries {
        table.add(
            [
                entry.generation.map { "\($0)" } ?? "-", timeText(entry.askedAt), terminalText(entry.what ?? "-"),
                terminalText(entry.outcome ?? "-"), entry.seconds.map { secondsText($0) } ?? "-",
                terminalText(entry.workingDirectory ?? "-"),
            ], remarks: remarks(entry))
    }
    return table
}

/// What people look for first stands first.
private func remarks(_ entry: History.Entry) -> [String] {
    let changed = entry.changedFiles.map { terminalText($0) }.joined(separator: ", ")
    return [
        entry.note.map { "note: \(terminalText($0))" }, entry.reason.map { terminalText($0) },
        changed.isEmpty ? nil : "changed since it was made: \(changed)",
        entry.by.map { "by \(text($0))" }, entry.executable.map(text),
    ].compactMap { $0 }
}

private func text(_ executable: History.Executable) -> String {
    let identity = [
        executable.inode.map { "inode \($0)" }, executable.modifiedAt.map { "of \(timeText($0))" },
    ].compactMap { $0 }.joined(separator: ", ")
    return terminalText(executable.path) + (identity.isEmpty ? "" : " (\(identity))")
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
