// The options that several verbs share: each means the same in every verb that has it. An option of one verb stands in
// the file of that verb.
import Supervisor

/// An option of a verb.
typealias VerbOption = CommandOption<Call>

enum VerbOptions {
    /// How to find the daemon.
    static let contact: [VerbOption] = [
        VerbOption("name", value: "NAME", .contact, "the daemon of this name; default: the only one") {
            (text, call) throws(ConfigurationError) in call.daemon.name = try parseDaemonName(text)
        },
        VerbOption("control", value: "PATH", .contact, "the daemon with this control socket") {
            (text, call) throws(ConfigurationError) in call.daemon.path = try parsePath(text)
        },
    ]

    static let help: [VerbOption] = [
        VerbOption("help", short: "h", .verb, "print this text") {
            (_, call) throws(ConfigurationError) in call.wantsHelp = true
        }
    ]

    /// Without either of them a verb waits.
    static let waiting: [VerbOption] = [
        VerbOption("wait", .verb, "return when it is over, which is the default") {
            (_, call) throws(ConfigurationError) in call.request.wait = true
        },
        VerbOption("no-wait", .verb, "return when it has started") {
            (_, call) throws(ConfigurationError) in call.request.wait = false
        },
    ]

    static let json = VerbOption("json", .verb, "JSON, as it comes from the daemon") {
        (_, call) throws(ConfigurationError) in call.isJSON = true
    }

    /// Which of the last lines.
    static let lastLines: [VerbOption] = [
        VerbOption("lines", short: "n", value: "N", .verb, "the last N lines only") {
            (text, call) throws(ConfigurationError) in
            call.request.limit = try wholeNumber(text, in: ControlLimits.lines)
        },
        VerbOption("since", value: "DURATION", .verb, "what was written in this time: 10m") {
            (text, call) throws(ConfigurationError) in
            call.request.since = try parseDuration(text, in: ControlLimits.linesSince)
        },
    ]

    static let follow = VerbOption("follow", short: "f", .verb, "continue with new lines until interrupted") {
        (_, call) throws(ConfigurationError) in call.request.follow = true
    }
}

/// A name that may be that of a file in the runtime directory.
func parseDaemonName(_ text: String) throws(ConfigurationError) -> String {
    guard 1...Bounds.daemonNameBytesMax ~= text.utf8.count, !text.utf8.contains(UInt8(ascii: "/")) else {
        throw ConfigurationError("\(quoted(text)) is not a name: 1 to \(Bounds.daemonNameBytesMax) bytes without '/'")
    }
    return text
}

func parseSlot(_ text: String) throws(ConfigurationError) -> Int {
    try wholeNumber(text, in: ControlLimits.slots, called: "a slot")
}
