// `history`: a line for each generation and for each reload that was refused, and below it the details.
import Supervisor

extension Verb {
    static let history = Verb(
        "history", "each generation: when it was made, by whom, and how it went", options: [VerbOptions.json, limit],
        explanation: "Shows each generation: when it was made, who asked for it, and how it went.",
        run: showHistory)

    private static let limit = VerbOption("limit", short: "n", value: "N", .verb, "the last N only") {
        (text, call) throws(ConfigurationError) in
        call.request.limit = try wholeNumber(text, in: ControlLimits.historyEntries)
    }
}

private func showHistory(_ call: Call) throws(VerbError) -> Int32 {
    let answer = try Conversation(call).answer()
    if call.isJSON { return printOut(answer.line) }
    let history: HistoryAnswer = try answer.decoded()
    if history.entries.isEmpty { return printOut("no generation yet\n") }
    return printOut(table(history.entries).lines.map { $0 + "\n" }.joined())
}

private func table(_ entries: [HistoryAnswer.Entry]) -> Table {
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

/// The details, the ones that people look for first at the top.
private func remarks(_ entry: HistoryAnswer.Entry) -> [String] {
    let changed = entry.changedFiles.map { terminalText($0) }.joined(separator: ", ")
    return [
        entry.note.map { "note: \(terminalText($0))" }, entry.reason.map { terminalText($0) },
        changed.isEmpty ? nil : "changed since it was made: \(changed)",
        entry.by.map { "by \(text($0))" }, entry.executable.map(text),
    ].compactMap { $0 }
}

private func text(_ executable: HistoryAnswer.Executable) -> String {
    let identity = [
        executable.inode.map { "inode \($0)" }, executable.modifiedAt.map { "of \(timeText($0))" },
    ].compactMap { $0 }.joined(separator: ", ")
    return terminalText(executable.path) + (identity.isEmpty ? "" : " (\(identity))")
}

private func text(_ asker: HistoryAnswer.Asker) -> String {
    var parts: [String] = []
    if let signal = asker.signal { parts.append("SIG\(terminalText(signal))") }
    if let command = asker.command { parts.append(shortened(terminalText(command))) }
    if let userID = asker.userID { parts.append("uid \(userID)") }
    if let pid = asker.pid { parts.append("pid \(pid)") }
    return parts.joined(separator: " ")
}

/// The daemon sends the whole command line; --json shows it.
private func shortened(_ command: String) -> String {
    let charactersMax = 40
    return command.count <= charactersMax ? command : command.prefix(charactersMax - 3) + "..."
}

/// The daemon's answer to `history`.
private struct HistoryAnswer: Answer {
    let entries: [Entry]

    init(_ json: JSON) throws(AnswerError) { entries = try json.list("entries") }

    struct Entry: Answer {
        /// nil if the reload was refused.
        let generation: Int?
        /// `start`, `reload`, `rollback`; nil if the daemon is older and does not say.
        let what: String?
        let workingDirectory: String?
        let note: String?
        let changedFiles: [String]
        let askedAt: String
        let by: Asker?
        let executable: Executable?
        /// nil while the roll goes on, as is the outcome.
        let seconds: Double?
        let outcome: String?
        let reason: String?

        init(_ json: JSON) throws(AnswerError) {
            generation = json["generation"]?.whole
            what = json["what"]?.text
            workingDirectory = json["working_directory"]?.text
            note = json["note"]?.text
            changedFiles = json.texts("changed_files")
            askedAt = try json.text("asked_at")
            by = try json.optional("by")
            executable = try json.optional("executable")
            seconds = json["took_s"]?.decimal
            outcome = json["outcome"]?.text
            reason = json["reason"]?.text
        }
    }

    /// The process that asked: a client of the control socket, or the sender of a signal.
    struct Asker: Answer {
        let userID: Int?
        let pid: Int?
        let command: String?
        let signal: String?

        init(_ json: JSON) throws(AnswerError) {
            userID = json["uid"]?.whole
            pid = json["pid"]?.whole
            command = json["command"]?.text
            signal = json["signal"]?.text
        }
    }

    struct Executable: Answer {
        let path: String
        let inode: Int?
        let modifiedAt: String?

        init(_ json: JSON) throws(AnswerError) {
            path = try json.text("path")
            inode = json["inode"]?.whole
            modifiedAt = json["mtime"]?.text
        }
    }
}
