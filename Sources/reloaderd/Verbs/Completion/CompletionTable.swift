// The tables of options and verbs as completion scripts see them: all in one, the daemon's own options under no verb.

struct CompletionTable {
    struct Option {
        /// `-w`.
        let short: String?
        /// `--workers`.
        let long: String
        let help: String
        /// nil: it takes none.
        let value: CompletedValue?
        /// How the value is called.
        let valueName: String
        let isValueOptional: Bool
        let isRepeatable: Bool

        init<Target>(_ option: CommandOption<Target>) {
            short = option.short.map { "-\(Character(Unicode.Scalar($0)))" }
            long = "--\(option.name)"
            help = option.help
            value = CompletedValue(of: option)
            valueName = option.value ?? ""
            isValueOptional = option.isValueOptional
            isRepeatable = option.isRepeatable
        }

        var names: [String] { [short, long].compactMap { $0 } }

        /// Its value may be the next word.
        var takesNextWord: Bool { value != nil && !isValueOptional }
    }

    struct Entry {
        /// "" for the daemon itself.
        let verb: String
        let summary: String
        let options: [Option]
        let operand: CompletedValue?
        let operandName: String
        /// The name of a daemon may stand first.
        let takesName: Bool
        let takesArguments: Bool
    }

    static let daemon = Entry(
        verb: "", summary: "", options: DaemonOptions.all.map { Option($0) }, operand: nil, operandName: "",
        takesName: false, takesArguments: false)
    static let verbs = Verb.all.map { verb in
        Entry(
            verb: verb.name, summary: verb.summary, options: verb.options.map { Option($0) },
            operand: verb.operand.map { CompletedValue($0.value) }, operandName: verb.operand?.value ?? "",
            takesName: verb.takesName, takesArguments: verb.takesArguments)
    }

    /// A shell command that prints the names of the daemons that run, a line each.
    static let daemonNames = "reloaderd list 2>/dev/null | sed 1d | grep -v '^ ' | cut -d' ' -f1"
}
