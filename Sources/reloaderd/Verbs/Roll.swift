// `rollback` and `restart`, and what they share with `reload`: send the request, follow the roll, report how it went in
// words and exit status.
import Glibc
import Reloader
import Supervisor

extension Verb {
    static let rollback = Verb(
        "rollback", "roll back to an earlier generation", operand: generation,
        options: VerbOptions.waiting + [force],
        explanation: """
            Rolls the pool to an earlier generation that is still kept: GENERATION, or the
            one before the present one. It is refused if files that the generation's
            arguments name have been changed in place, which no rollback can undo, and if
            memory has no room for one more worker.
            """,
        run: followRoll)

    private static let generation = Operand("GENERATION", optional: true) { (text, call) throws(ConfigurationError) in
        call.request.generation = try wholeNumber(text, in: Bounds.generations, called: "a generation")
    }

    private static let force = VerbOption("force", .verb, "even if files were changed or memory is short") {
        (_, call) throws(ConfigurationError) in call.request.force = true
    }

    static let restart = Verb(
        "restart", "replace the worker of one slot", operand: slot, options: VerbOptions.waiting,
        explanation: """
            Replaces the worker of SLOT by a new one of the same generation, which is ready
            before the old one is asked to finish.
            """,
        run: followRoll)

    private static let slot = Operand("SLOT") { (text, call) throws(ConfigurationError) in
        call.request.slot = try parseSlot(text)
    }
}

// MARK: following a roll

/// Waits for the end of the roll unless told otherwise.
func followRoll(_ call: Call) throws(VerbError) -> Int32 {
    var call = call
    call.request.wait = call.request.wait ?? true
    let conversation = try Conversation(call)
    let answer = try waitForAnswer(call, conversation)
    return report(try answer.decoded(as: RollResult.self), of: call)
}

private func waitForAnswer(_ call: Call, _ conversation: Conversation) throws(VerbError) -> Message {
    guard call.request.wait == true else { return try conversation.answer() }
    Interruption.explain(call)
    var progress = RollProgress()
    defer { progress.end() }
    // The daemon itself keeps the time limit; this one is for a daemon that is stopped.
    let limit = call.request.timeout.map { MonotonicClock.now() + ($0 + Conversation.patience) }
    while true {
        let message = try conversation.next(until: progress.deadline(atMost: limit)) {
            () throws(VerbError) -> Instant? in
            if let limit, limit <= MonotonicClock.now() {
                throw VerbError("no answer within the time limit: the daemon may be stopped", ExitStatus.timedOut)
            }
            progress.redraw()
            return progress.deadline(atMost: limit)
        }
        guard message.kind == .event else { return message }
        progress.show(try message.decoded(as: RollEvent.self))
    }
}

/// Prints how it went: success on standard output, failure on standard error.
func report(_ result: RollResult, of call: Call) -> Int32 {
    let text = RollReport(result, verb: call.verb.name)
    if text.exitStatus == 0 { return printOut(([text.line] + text.notes).map { $0 + "\n" }.joined()) }
    let more = (text.details + text.notes).map { $0 + "\n" }.joined()
    writeAll("reloaderd: \(text.line)\n\(more)", to: STDERR_FILENO)
    return text.exitStatus
}

/// The daemon's answer to a verb that starts a roll.
struct RollResult: Answer {
    /// nil if the verb has started no roll.
    let outcome: RollOutcome?
    let generation: Int?
    let seconds: Double?
    let reason: String?
    /// How the worker that made the roll fail ended: at most one of the two.
    let exitStatus: Int?
    /// `SEGV`.
    let signal: String?
    /// The last lines that the worker wrote to standard error and standard output.
    let errorLines: [String]
    let outputLines: [String]
    /// What people should know about the generation that serves now.
    let notes: [String]

    init(_ json: JSON) throws(AnswerError) {
        if let name = json["outcome"]?.text {
            guard let outcome = RollOutcome(rawValue: name) else { throw AnswerError(member: "outcome") }
            self.outcome = outcome
        } else {
            outcome = nil
        }
        generation = json["generation"]?.whole
        seconds = json["took_s"]?.decimal
        reason = json["reason"]?.text
        exitStatus = json["exit_status"]?.whole
        signal = json["signal"]?.text ?? json["signal"]?.whole.flatMap { Int32(exactly: $0) }.map(signalName)
        errorLines = json.texts("stderr")
        outputLines = json.texts("stdout")
        notes = json.texts("notes")
    }
}

/// How a roll went, in words and as an exit status.
private struct RollReport {
    let line: String
    /// Lines about the worker that failed.
    let details: [String]
    let notes: [String]
    let exitStatus: Int32

    init(_ result: RollResult, verb: String) {
        let generation = result.generation.map { "generation \($0)" } ?? "the generation"
        let time = result.seconds.map { " after \(secondsText($0))" } ?? ""
        let reason = result.reason.map { ": \(terminalText($0))" } ?? ""
        details = Self.details(result)
        notes = result.notes.map { "note: \(terminalText($0))" }
        switch result.outcome {
        case .done where verb == "restart":
            line = "restarted\(time)"
            exitStatus = 0
        case .done, nil:
            line = "\(generation) serves\(time)"
            exitStatus = 0
        case .begun:
            line = (verb == "restart" ? "restart started" : "\(verb) to \(generation) started") + reason
            exitStatus = 0
        case .failed:
            line = "\(verb) failed\(time)\(reason)"
            exitStatus = ExitStatus.failed
        case .refused:
            line = "\(verb) refused\(reason)"
            exitStatus = ExitStatus.failed
        case .superseded:
            line = "\(verb) superseded\(time)\(reason)"
            exitStatus = ExitStatus.superseded
        case .timedOut:
            line = "\(verb) timed out\(time)\(reason)"
            exitStatus = ExitStatus.timedOut
        case .stopped:
            line = "\(verb) cut short\(time)\(reason)"
            exitStatus = ExitStatus.stopped
        }
    }

    private static func details(_ result: RollResult) -> [String] {
        var details: [String] = []
        if let status = result.exitStatus {
            details.append("the worker's exit status was \(status)")
        } else if let signal = result.signal {
            details.append("the worker was killed by SIG\(printable(signal))")
        }
        details += quoted(result.errorLines, "standard error") + quoted(result.outputLines, "standard output")
        return details
    }

    private static func quoted(_ lines: [String], _ stream: String) -> [String] {
        if lines.isEmpty { return [] }
        return ["its last lines on \(stream):"] + lines.map { "  | \(terminalText($0))" }
    }
}
