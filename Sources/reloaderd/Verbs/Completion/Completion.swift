// `completion`: prints a script that completes reloaderd's words in a shell. Here is what all scripts offer, read from
// the tables of options and verbs; a file for each shell turns it into a script.
import Supervisor

extension Verb {
    static let completion = Verb(
        "completion", "print a script that completes reloaderd's words in a shell", operand: shell, contact: [],
        explanation: """
            Prints a script for the shell, which completes options, verbs and their values:
                reloaderd completion bash >/etc/bash_completion.d/reloaderd
                reloaderd completion zsh >/usr/local/share/zsh/site-functions/_reloaderd
                reloaderd completion fish >/etc/fish/completions/reloaderd.fish
            """,
        run: printCompletion)

    private static let shell = Operand("bash|zsh|fish") { (text, call) throws(ConfigurationError) in
        call.shell = try parseWord(text, Shell.allCases.map { ($0.rawValue, $0) })
    }
}

/// The shells that have a completion script.
enum Shell: String, CaseIterable {
    case bash
    case zsh
    case fish

    var completionScript: String {
        switch self {
        case .bash: bashCompletion()
        case .zsh: zshCompletion()
        case .fish: fishCompletion()
        }
    }
}

private func printCompletion(_ call: Call) throws(VerbError) -> Int32 {
    guard let shell = call.shell else { return ExitStatus.usage }
    return printOut(shell.completionScript)
}

/// The options and verbs as completion scripts see them: one table, with the daemon's own options under no verb.
struct CompletionTable {
    struct Option {
        /// `-w`.
        let short: String?
        /// `--workers`.
        let long: String
        let help: String
        /// nil if the option takes no value.
        let value: CompletedValue?
        /// How --help writes the value.
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

        /// Whether its value may be the next word.
        var takesNextWord: Bool { value != nil && !isValueOptional }
    }

    struct Entry {
        /// "" for the daemon itself.
        let verb: String
        let summary: String
        let options: [Option]
        let operand: CompletedValue?
        let operandName: String
        /// Whether a daemon's name may precede the operand.
        let takesName: Bool
        let takesArguments: Bool
    }

    static let daemon = Entry(
        verb: "", summary: "", options: DaemonOptions.all.map { Option($0) }, operand: nil, operandName: "",
        takesName: false, takesArguments: false)
    static let verbs = Verb.all.map { verb in
        Entry(
            verb: verb.name, summary: verb.summary, options: options(of: verb),
            operand: verb.operand.map { CompletedValue($0.value) }, operandName: verb.operand?.value ?? "",
            takesName: verb.takesName,
            takesArguments: verb.takesArguments || verb.takesCommand)
    }

    private static func options(of verb: Verb) -> [Option] {
        let own = verb.options.map { Option($0) }
        guard verb.takesCommand else { return own }
        return own + daemon.options.filter { option in !own.contains { $0.long == option.long } }
    }

    /// A shell command that prints the names of the running daemons, one a line.
    static let daemonNames = "reloaderd list 2>/dev/null | sed 1d | grep -v '^ ' | cut -d' ' -f1"
}

/// What a shell can offer for the value of an option or an operand, concluded from how --help writes the value:
/// `relay|inherit`, `auto|N`, `FILE`.
enum CompletedValue: Equatable {
    case words([String])
    case file
    case directory
    case user
    case group
    /// The name of a running daemon.
    case daemon
    /// Nothing: only the user knows the value.
    case free

    init(_ value: String) {
        switch value {
        case "FILE", "PATH": self = .file
        case "DIR": self = .directory
        case "GROUP": self = .group
        case "USER[:GROUP]": self = .user
        default:
            let words = value.split(separator: "|").map { String($0) }.filter { word in
                word.utf8.allSatisfy { UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 }
            }
            self = words.isEmpty ? .free : .words(words)
        }
    }

    /// nil if the option takes no value.
    init?<Target>(of option: CommandOption<Target>) {
        guard let value = option.value else { return nil }
        self = option.group == .contact && value == "NAME" ? .daemon : CompletedValue(value)
    }
}
