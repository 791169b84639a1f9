// `upgrade`: another version of reloaderd goes on in the daemon's place, and the workers don't notice.
import Glibc
import Reloader
import Supervisor

extension Verb {
    static let upgrade = Verb(
        "upgrade", "run another version of reloaderd in the daemon's place", operand: program, options: [now],
        explanation: """
            Executes PATH, or the daemon's own file as it is now, in the daemon's process.
            All goes on: the workers are not touched, and no connection is. A trial run
            comes first; if the new version cannot go on, the old one does. During a reload,
            a restart or a drain the upgrade waits for the end of that.
            """,
        run: upgradeDaemon)

    private static let program = Operand("PATH", optional: true) { (text, call) throws(ConfigurationError) in
        guard text.utf8.contains(UInt8(ascii: "/")) else {
            throw ConfigurationError("\(quoted(text)) is not a path: write ./\(text) for a file of this directory")
        }
        call.request.path = try absolute(try parsePath(text))
    }

    private static let now = VerbOption("now", .verb, "refuse the upgrade if it would have to wait") {
        (_, call) throws(ConfigurationError) in call.request.now = true
    }
}

/// The daemon may be in another directory.
private func absolute(_ path: String) throws(ConfigurationError) -> String {
    if path.utf8.first == UInt8(ascii: "/") { return path }
    guard let here = getcwd(nil, 0) else {
        throw ConfigurationError("\(quoted(path)): the current directory was deleted")
    }
    defer { free(here) }
    return "\(String(cString: here))/\(path)"
}

private func upgradeDaemon(_ call: Call) throws(VerbError) -> Int32 {
    let conversation = try Conversation(call)
    Interruption.explain(call)
    let result: UpgradeResult
    while true {
        let message = try conversation.next()
        if message.kind == .result {
            result = try message.decoded()
            break
        }
        say(try message.decoded(as: UpgradeEvent.self).message)
    }
    let reason = result.reason.map { ": \(terminalText($0))" } ?? ""
    switch result.outcome {
    case .done:
        let version = result.version.map { " \(terminalText($0))" } ?? ""
        let pause = result.pause.map { ", after a pause of \(secondsText($0))" } ?? ""
        return printOut("reloaderd\(version) goes on\(pause)\n")
    case .stopped: throw VerbError("upgrade cut short\(reason)", ExitStatus.stopped)
    case .refused: throw VerbError("upgrade refused\(reason)", ExitStatus.failed)
    case .begun, .failed, .superseded, .timedOut: throw VerbError("upgrade failed\(reason)", ExitStatus.failed)
    }
}

private func say(_ message: String) { writeAll("reloaderd: \(terminalText(message))\n", to: STDERR_FILENO) }

/// What an upgrade waits for.
private struct UpgradeEvent: Answer {
    let message: String

    init(_ json: JSON) throws(AnswerError) { message = try json.text("msg") }
}

private struct UpgradeResult: Answer {
    let outcome: RollOutcome
    let version: String?
    let pause: Double?
    let reason: String?

    init(_ json: JSON) throws(AnswerError) {
        guard let outcome = RollOutcome(rawValue: try json.text("outcome")) else {
            throw AnswerError(member: "outcome")
        }
        self.outcome = outcome
        version = json["version"]?.text
        pause = json["pause_s"]?.decimal
        reason = json["reason"]?.text
    }
}
