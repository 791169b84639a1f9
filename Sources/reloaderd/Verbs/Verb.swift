// What a verb is: a first word that talks to a running daemon. The table of all of them is in Verbs.swift; the parser,
// --help, the completions and the tests that compare the documents with the program read it.
import Supervisor

struct Verb: Sendable {
    /// What follows the options.
    struct Operand: Sendable {
        /// `SLOT`, `N|+N|-N`; what is a choice between small letters is completed.
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

    let name: String
    /// One line, for the list of verbs.
    let summary: String
    /// For its own --help: lines of at most 80 columns.
    let explanation: String
    let operand: Operand?
    /// After `--` come new arguments of the program.
    let takesArguments: Bool
    let options: [VerbOption]
    /// Does it, and returns the exit status of the command.
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

    /// It asks a daemon, whose name may stand before the operand.
    var takesName: Bool { options.contains { $0.group == .contact } }

    /// `[OPTIONS] [NAME] SLOT`, what follows the verb.
    var synopsis: String {
        var words = ["[OPTIONS]"]
        if takesName { words.append("[NAME]") }
        if let operand { words.append(operand.isOptional ? "[\(operand.value)]" : operand.value) }
        if takesArguments { words.append("[-- NEW-ARG...]") }
        return words.joined(separator: " ")
    }

    static func named(_ name: String) -> Verb? { all.first { $0.name == name } }
}
