// All options of verbs. Those with the same name mean the same thing in each verb that has them.
import Reloader
import Supervisor

/// An option of a verb.
typealias VerbOption = CommandOption<Call>

enum VerbOptions {
    /// How to find the daemon.
    static let contact: [VerbOption] = [
        VerbOption("name", value: "NAME", .contact, "the one of this name; else the only one") {
            (text, call) throws(ConfigurationError) in call.daemon.name = try parseDaemonName(text)
        },
        VerbOption("control", value: "PATH", .contact, "the one with this control socket") {
            (text, call) throws(ConfigurationError) in call.daemon.path = try parsePath(text)
        },
    ]

    static let help: [VerbOption] = [
        VerbOption("help", short: "h", .verb, "print this") {
            (_, call) throws(ConfigurationError) in call.wantsHelp = true
        }
    ]

    /// Waiting is what happens without either.
    static let waiting: [VerbOption] = [
        VerbOption("wait", .verb, "return when it is over, which is the default") {
            (_, call) throws(ConfigurationError) in call.request.wait = true
        },
        VerbOption("no-wait", .verb, "return when it has begun") {
            (_, call) throws(ConfigurationError) in call.request.wait = false
        },
    ]

    static let reload: [VerbOption] = [
        VerbOption("timeout", value: "DURATION", .verb, "a reload not done by then is reverted: status 3") {
            (text, call) throws(ConfigurationError) in
            call.request.timeoutSeconds = try parseDuration(text, atLeast: Bounds.verbTimeoutMin).inSeconds
        },
        VerbOption("canary", value: "N", .verb, "replace N slots, then wait for promote") {
            (text, call) throws(ConfigurationError) in
            call.request.canary = Int(try wholeNumber(text, in: Bounds.workers))
        },
        VerbOption("canary-time", value: "DURATION", .verb, "promote by itself after so long without a crash") {
            (text, call) throws(ConfigurationError) in
            call.request.canaryTimeSeconds = try parseDuration(text, atLeast: Bounds.canaryTimeMin).inSeconds
        },
        VerbOption("surge", value: "N", .verb, "replacements in flight at once, for this reload") {
            (text, call) throws(ConfigurationError) in
            call.request.surge = Int(try wholeNumber(text, in: Bounds.workers))
        },
        VerbOption("soak", value: "DURATION", .verb, "a replacement stays ready first, for this reload") {
            (text, call) throws(ConfigurationError) in call.request.soakSeconds = try parseDuration(text).inSeconds
        },
        VerbOption("max-failures", value: "N", .verb, "fail only above N failed replacements") {
            (text, call) throws(ConfigurationError) in
            call.request.maxFailures = Int(try wholeNumber(text, in: Bounds.failures))
        },
    ]

    static let json = VerbOption("json", .verb, "JSON, as it comes from the daemon") {
        (_, call) throws(ConfigurationError) in call.isJSON = true
    }

    static let watch = VerbOption("watch", .verb, "again each second, until interrupted") {
        (_, call) throws(ConfigurationError) in call.isWatching = true
    }

    static let exitCode = VerbOption("exit-code", .verb, "0: all ready, 1: failing, 2: neither") {
        (_, call) throws(ConfigurationError) in call.wantsExitCode = true
    }

    static let note = VerbOption("note", value: "TEXT", .verb, "what history and status say of it") {
        (text, call) throws(ConfigurationError) in call.request.note = try parseNote(text)
    }

    static let force = VerbOption("force", .verb, "also where its files were changed in place") {
        (_, call) throws(ConfigurationError) in call.request.force = true
    }

    static let limit = VerbOption("limit", short: "n", value: "N", .verb, "the last N only") {
        (text, call) throws(ConfigurationError) in
        call.request.limit = Int(try wholeNumber(text, in: Bounds.historyEntries))
    }

    static let follow = VerbOption("follow", short: "f", .verb, "go on with those to come, until interrupted") {
        (_, call) throws(ConfigurationError) in call.request.follow = true
    }

    static let slot = VerbOption("slot", value: "N", .verb, "those of this slot only") {
        (text, call) throws(ConfigurationError) in call.request.slot = try parseSlot(text)
    }

    static let fast = VerbOption("fast", .verb, "kill the workers instead") {
        (_, call) throws(ConfigurationError) in call.request.fast = true
    }
}

/// What may be a file name in the runtime directory.
func parseDaemonName(_ text: String) throws(ConfigurationError) -> String {
    guard 1...Bounds.daemonNameBytesMax ~= text.utf8.count, !text.utf8.contains(UInt8(ascii: "/")) else {
        throw ConfigurationError("\(quoted(text)) is not a name: 1 to \(Bounds.daemonNameBytesMax) bytes without '/'")
    }
    return text
}

/// One line of a table, more or less.
private func parseNote(_ text: String) throws(ConfigurationError) -> String {
    guard !text.isEmpty, text.unicodeScalars.count <= Bounds.noteScalarsMax, text == printable(text) else {
        throw ConfigurationError("\(quoted(text)) is not a note: 1 to \(Bounds.noteScalarsMax) printable characters")
    }
    return text
}

extension Duration {
    /// As JSON has it.
    fileprivate var inSeconds: Double { Double(nanoseconds) / 1e9 }
}
