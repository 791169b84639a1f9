// All verbs, in the order in which --help and the manual show them.
import Supervisor

extension Verb {
    static let all: [Verb] = deploying + looking + changing + around

    private static let deploying = [
        Verb(
            "reload", "roll to the newest version of the program, and say how it went", takesArguments: true,
            options: VerbOptions.waiting + VerbOptions.reload + [VerbOptions.note],
            explanation: """
                Rolls the pool to the newest version of the program, waits for the end, and says
                how it went. What follows -- are new arguments for the program, instead of
                those that it has.
                """,
            run: followRoll),
        Verb(
            "promote", "let a reload go on that waits with its canaries",
            explanation: """
                Lets a reload go on that waits with its canaries. How it ends is told to who
                asked for the reload, and by history.
                """,
            run: promoteRoll),
        Verb(
            "rollback", "roll back to an earlier generation", operand: .generation,
            options: VerbOptions.waiting + [VerbOptions.force],
            explanation: """
                Rolls the pool to an earlier generation that is still kept: GENERATION, or the
                one before the present one. It is refused if files that the generation's
                arguments name have been changed in place, which no rollback can undo.
                """,
            run: followRoll),
    ]

    private static let looking = [
        Verb(
            "status", "slots, workers, generations, listeners, and what is going on",
            options: [VerbOptions.json, VerbOptions.watch, VerbOptions.exitCode],
            explanation: "Shows the pool: slots, workers, generations, listeners, and what is going on.",
            run: showStatus),
        Verb(
            "history", "who made which generation, when, and how it went",
            options: [VerbOptions.json, VerbOptions.limit],
            explanation: "Shows each generation: when it was made, who asked for it, and how it went.",
            run: showHistory),
        Verb(
            "events", "the last lines of the daemon's log", options: [VerbOptions.follow, VerbOptions.json],
            explanation: "Shows the last lines of the daemon's log, and with --follow those to come.",
            run: showEvents),
        Verb(
            "logs", "the last lines that workers wrote",
            options: [VerbOptions.slot, VerbOptions.follow, VerbOptions.json],
            explanation: """
                Shows the last lines that each worker wrote to standard output and standard
                error, by the time at which they came; also those of the worker of a slot that
                died last.
                """,
            run: showLogs),
        Verb(
            "list", "all daemons", options: [VerbOptions.json], contact: [],
            explanation: """
                Lists the daemons in the runtime directories of this user and of root, also
                those that do not answer and those that this user may not ask.
                """,
            run: listDaemons),
    ]

    private static let changing = [
        Verb(
            "scale", "more slots, or fewer", operand: .count,
            explanation: "Makes the pool N slots large, or N larger (+N) or smaller (-N).",
            run: scalePool),
        Verb(
            "restart", "replace the worker of one slot", operand: .slot, options: VerbOptions.waiting,
            explanation: """
                Replaces the worker of SLOT by a new one of the same generation, which is ready
                before the old one is asked to finish.
                """,
            run: followRoll),
        Verb(
            "pause", "hold reloads where they are until resume",
            explanation: """
                Lets reloads, the next ones too, take no further slots until resume.
                What has begun in a slot goes on, crashed workers come back, and a
                reload that fails is reverted.
                """,
            run: { (call) throws(VerbError) in try changePool(call, saying: "paused") }),
        Verb(
            "resume", "let reloads go on after pause",
            explanation: "Lets reloads go on after pause.",
            run: { (call) throws(VerbError) in try changePool(call, saying: "resumed") }),
        Verb(
            "stop", "end the daemon and its workers",
            options: [VerbOptions.fast] + VerbOptions.waiting,
            explanation: "Asks all workers to finish, and ends the daemon when they have.",
            run: stopDaemon),
    ]

    private static let around = [
        Verb(
            "completion", "print a script that completes reloaderd's words in a shell", operand: .shell, contact: [],
            explanation: """
                Prints a script for the shell, which completes options, verbs and their values:
                    reloaderd completion bash >/etc/bash_completion.d/reloaderd
                    reloaderd completion zsh >/usr/local/share/zsh/site-functions/_reloaderd
                    reloaderd completion fish >/etc/fish/completions/reloaderd.fish
                """,
            run: printCompletion)
    ]
}

extension Verb.Operand {
    static let slot = Self("SLOT") { (text, call) throws(ConfigurationError) in
        call.request.slot = try parseSlot(text)
    }

    static let generation = Self("GENERATION", optional: true) { (text, call) throws(ConfigurationError) in
        call.request.generation = Int(try wholeNumber(text, in: Bounds.generations, called: "a generation"))
    }

    /// With a sign it is a difference.
    static let count = Self("N|+N|-N") { (text, call) throws(ConfigurationError) in
        let isLess = text.utf8.first == UInt8(ascii: "-")
        guard isLess || text.utf8.first == UInt8(ascii: "+") else {
            call.request.to = Int(try wholeNumber(text, in: Bounds.workers, called: "N, +N or -N with a number"))
            return
        }
        let digits = String(text.utf8.dropFirst()) ?? ""
        let difference = Int(try wholeNumber(digits, in: Bounds.workers, called: "N, +N or -N with a number"))
        call.request.by = isLess ? -difference : difference
    }

    static let shell = Self("bash|zsh|fish") { (text, call) throws(ConfigurationError) in
        call.shell = try parseWord(text, Shell.allCases.map { ($0.rawValue, $0) })
    }
}

func parseSlot(_ text: String) throws(ConfigurationError) -> Int {
    Int(try wholeNumber(text, in: Bounds.slots, called: "a slot"))
}
