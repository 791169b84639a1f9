// `reload` rolls the pool to the newest version of the program; `promote` continues a reload that waits with its
// canaries.
import Supervisor

extension Verb {
    static let reload = Verb(
        "reload", "roll to the newest version of the program, and say how it went", takesArguments: true,
        options: VerbOptions.waiting + reloadOptions,
        explanation: """
            Rolls the pool to the newest version of the program, waits for the end, and says
            how it went. Words after -- are new arguments for the program and replace those
            that it has.
            """,
        run: followRoll)

    static let promote = Verb(
        "promote", "continue a reload that waits with its canaries",
        explanation: """
            Continues a reload that waits with its canaries. The command that started the
            reload reports how it ends; so does history.
            """,
        run: promoteRoll)

    private static let reloadOptions = [
        VerbOption("timeout", value: "DURATION", .verb, "a reload not done by then is reverted: status 3") {
            (text, call) throws(ConfigurationError) in
            call.request.timeout = try parseDuration(text, atLeast: Bounds.verbTimeoutMin)
        },
        VerbOption("canary", value: "N", .verb, "replace N slots, then wait for promote") {
            (text, call) throws(ConfigurationError) in
            call.request.canary = try wholeNumber(text, in: ControlLimits.workers)
        },
        VerbOption("canary-time", value: "DURATION", .verb, "promote after this long without a crash") {
            (text, call) throws(ConfigurationError) in
            call.request.canaryTime = try parseDuration(text, atLeast: Bounds.canaryTimeMin)
        },
        VerbOption("surge", value: "N", .verb, "replacements in flight at once, for this reload") {
            (text, call) throws(ConfigurationError) in
            call.request.surge = try wholeNumber(text, in: ControlLimits.workers)
        },
        VerbOption("soak", value: "DURATION", .verb, "a replacement stays ready first, for this reload") {
            (text, call) throws(ConfigurationError) in call.request.soak = try parseDuration(text)
        },
        VerbOption("max-failures", value: "N", .verb, "fail only above N failed replacements") {
            (text, call) throws(ConfigurationError) in
            call.request.maxFailures = try wholeNumber(text, in: ControlLimits.failures)
        },
        VerbOption("force", .verb, "even if memory has no room for one more worker") {
            (_, call) throws(ConfigurationError) in call.request.force = true
        },
        VerbOption("note", value: "TEXT", .verb, "what history and status say of it") {
            (text, call) throws(ConfigurationError) in call.request.note = try parseNote(text)
        },
    ]
}

/// The answer is about the verb alone: the command that started the reload reports how it ends.
private func promoteRoll(_ call: Call) throws(VerbError) -> Int32 {
    let result = try Conversation(call).answer().decoded(as: RollResult.self)
    if result.outcome != nil { return report(result, of: call) }
    return printOut("promoted\n")
}

/// A note stands in one line of a table.
private func parseNote(_ text: String) throws(ConfigurationError) -> String {
    let lengthMax = ControlLimits.noteScalarsMax
    guard !text.isEmpty, text.unicodeScalars.count <= lengthMax, text == printable(text) else {
        throw ConfigurationError("\(quoted(text)) is not a note: 1 to \(lengthMax) printable characters")
    }
    return text
}
