// What an option is. The daemon's options are in DaemonOptions.swift, those of the verbs in Verbs/; the parser, the
// config file, --help, the completions, and the tests that compare the documents with the program all read these
// tables.
import Supervisor

/// An option of the daemon.
typealias Option = CommandOption<Draft>

extension Option {
    static var all: [Option] { DaemonOptions.all }

    static func named(_ name: some StringProtocol) -> Option? { all.first { $0.name == name } }
}

/// The heading in --help under which an option stands.
enum OptionGroup: String, CaseIterable {
    case pool = "Pool"
    case listeners = "Listeners"
    case sharing = "Port sharing"
    case reload = "Readiness and reload"
    case stop = "Drain and stop"
    case crashes = "Crashes and recycling"
    case worker = "Each worker"
    case daemon = "The daemon"
    case verb = "Options"
    case contact = "Which daemon"
}

/// One option: how it is written, its line in --help, and how it changes the `Target` that is being made of the command
/// line.
struct CommandOption<Target>: Sendable {
    /// The name without dashes; also the first word of its line in the config file.
    let name: String
    let short: UInt8?
    /// How --help writes the value; nil if the option takes no value.
    let value: String?
    /// Whether the value may be left out. Such a value is written with an equals sign only.
    let isValueOptional: Bool
    /// One line for --help.
    let help: String
    let group: OptionGroup
    /// The default as a person would write it; nil if there is none.
    let defaultText: String?
    let isRepeatable: Bool
    /// Whether the option may also stand in the config file.
    let isForFiles: Bool
    /// Takes the value, or "" if none was given, into the target.
    let apply: @Sendable (String, inout Target) throws(ConfigurationError) -> Void

    init(
        _ name: String, short: Character? = nil, value: String? = nil, valueOptional: Bool = false,
        default defaultText: String? = nil, repeatable: Bool = false, forFiles: Bool = true, _ group: OptionGroup,
        _ help: String,
        apply: @escaping @Sendable (String, inout Target) throws(ConfigurationError) -> Void
    ) {
        self.name = name
        self.short = short?.asciiValue
        self.value = value
        isValueOptional = valueOptional
        self.help = help
        self.group = group
        self.defaultText = defaultText
        self.isRepeatable = repeatable
        self.isForFiles = forFiles
        self.apply = apply
    }

    /// Whether `word` gives this option, with or without a value in the same word.
    func matches(_ word: String) -> Bool {
        let bytes = Array(word.utf8)
        if bytes.count >= 2, bytes[1] != UInt8(ascii: "-") { return short == bytes[1] }
        return bytes.dropFirst(2).prefix { $0 != UInt8(ascii: "=") }.elementsEqual(name.utf8)
    }

    /// `--workers auto|N`, `--no-share[=ADDRESS]`.
    var synopsis: String {
        guard let value else { return "--\(name)" }
        return isValueOptional ? "--\(name)[=\(value)]" : "--\(name) \(value)"
    }
}
