// What a verb is: a first word that talks to a running daemon. Each verb has a file beside this one; the parser,
// --help, the completions, and the tests that compare the documents with the program read the table of all of them.
import Supervisor

struct Verb: Sendable {
    /// The word that follows the options.
    struct Operand: Sendable {
        /// `SLOT`, `N|+N|-N`. Words in small letters that are separated by `|` are completed.
        let value: String
        let isOptional: Bool
        let take: @Sendable (String, inout Call) throws(ConfigurationError) -> Void

        init(
            _ value: String, optional: Bool = false,
            take: @escaping @Sendable (String, inout Call) throws(ConfigurationError) -> Void
        ) {
            self.value = value
            isOptional = optional
            self.take = take
        }
    }

    /// In the order in which --help and the manual show them.
    static let all: [Verb] = [
        reload, promote, rollback, status, history, events, logs, list, scale, restart, pause, resume, upgrade, stop,
        completion,
    ]

    let name: String
    /// One line, for the list of verbs.
    let summary: String
    /// For the verb's own --help: lines of at most 80 columns.
    let explanation: String
    let operand: Operand?
    /// New arguments for the program may follow `--`.
    let takesArguments: Bool
    let options: [VerbOption]
    /// Runs the verb, and returns the exit status of the command.
    let run: @Sendable (Call) throws(VerbError) -> Int32

    init(
        _ name: String, _ summary: String, operand: Operand? = nil, takesArguments: Bool = false,
        options: [VerbOption] = [], contact: [VerbOption] = VerbOptions.contact, explanation: String,
        run: @escaping @Sendable (Call) throws(VerbError) -> Int32
    ) {
        self.name = name
        self.summary = summary
        self.explanation = explanation
        self.operand = operand
        self.takesArguments = takesArguments
        self.options = options + contact + VerbOptions.help
        self.run = run
    }

    /// Whether the verb asks one daemon, whose name may precede the operand.
    var takesName: Bool { options.contains { $0.group == .contact } }

    /// What follows the verb: `[OPTIONS] [NAME] SLOT`.
    var synopsis: String {
        var words = ["[OPTIONS]"]
        if takesName { words.append("[NAME]") }
        if let operand { words.append(operand.isOptional ? "[\(operand.value)]" : operand.value) }
        if takesArguments { words.append("[-- NEW-ARG...]") }
        return words.joined(separator: " ")
    }

    static func named(_ name: String) -> Verb? { all.first { $0.name == name } }
}

/// Why a verb was not done.
struct VerbError: Error {
    /// One line, without the command's name in front.
    let message: String
    let exitStatus: Int32

    init(_ message: String, _ exitStatus: Int32) {
        self.message = message
        self.exitStatus = exitStatus
    }

    /// The daemon has ended, or sends something that cannot be understood.
    static func noAnswer(_ message: String) -> VerbError { VerbError(message, ExitStatus.noDaemon) }
}
