// Words taken apart into options, without looking at any value. The same for the daemon's and for those of each verb.
import Supervisor

/// An option as it was given: where, and with what value.
struct OptionOccurrence<Target> {
    let option: CommandOption<Target>
    /// "" where none was given to an option that takes none or need not have one.
    let value: String
    /// For messages: `--workers`, or `/etc/app.conf:3: workers`.
    let place: String
}

typealias Occurrence = OptionOccurrence<Draft>

/// Reads words against a table of options.
struct OptionParser<Target> {
    let options: [CommandOption<Target>]
    /// What lists them all, for messages.
    let helpCommand: String

    /// A lone `-` is a word.
    static func isOption(_ word: String) -> Bool { word.utf8.first == UInt8(ascii: "-") && word.utf8.count > 1 }

    /// The option that `word` begins; takes its value from `rest` where it stands there.
    func occurrence(
        _ word: String, _ rest: inout ArraySlice<String>
    ) throws(ConfigurationError) -> OptionOccurrence<Target> {
        if word.utf8.starts(with: "--".utf8) { return try long(word, &rest) }
        return try short(word, &rest)
    }

    /// `--name`, `--name value`, `--name=value`; the last only where the value may be left out.
    private func long(
        _ word: String, _ rest: inout ArraySlice<String>
    ) throws(ConfigurationError) -> OptionOccurrence<Target> {
        let (dashed, attached) = cut(word, at: UInt8(ascii: "=")) ?? (word, nil)
        let name = dashed.dropFirst(2)
        guard let option = options.first(where: { $0.name == name }) else {
            throw unknown(dashed, nearest: String(name))
        }
        let place = "--\(option.name)"
        guard option.value != nil else {
            guard attached == nil else { throw ConfigurationError("\(place) takes no value") }
            return OptionOccurrence(option: option, value: "", place: place)
        }
        if option.isValueOptional && attached == "" {
            throw ConfigurationError(
                "\(place)= has no value after it: write \(place) alone, or \(place)=\(option.value ?? "")")
        }
        if let attached { return OptionOccurrence(option: option, value: attached, place: place) }
        if option.isValueOptional { return OptionOccurrence(option: option, value: "", place: place) }
        return OptionOccurrence(option: option, value: try following(option, place, &rest), place: place)
    }

    /// `-w`, `-w value`, `-wvalue`.
    private func short(
        _ word: String, _ rest: inout ArraySlice<String>
    ) throws(ConfigurationError) -> OptionOccurrence<Target> {
        let letter = word.utf8.dropFirst().first
        guard let option = options.first(where: { $0.short != nil && $0.short == letter }) else {
            throw unknown(word, nearest: String(word.drop { $0 == "-" }))
        }
        let place = "--\(option.name)"
        let attached = String(word.utf8.dropFirst(2)) ?? ""
        guard option.value != nil else {
            guard attached.isEmpty else { throw ConfigurationError("\(place) takes no value") }
            return OptionOccurrence(option: option, value: "", place: place)
        }
        let isComplete = !attached.isEmpty || option.isValueOptional
        let value = isComplete ? attached : try following(option, place, &rest)
        return OptionOccurrence(option: option, value: value, place: place)
    }

    /// The next word is the value, unless it looks like an option that came because the value was forgotten.
    private func following(
        _ option: CommandOption<Target>, _ place: String, _ rest: inout ArraySlice<String>
    ) throws(ConfigurationError) -> String {
        let form = "\(place) needs a value: \(place) \(option.value ?? "")"
        guard let value = rest.popFirst() else { throw ConfigurationError(form) }
        if value.utf8.starts(with: "--".utf8) {
            throw ConfigurationError("\(form); write \(place)=\(printable(value)) if that is the value")
        }
        return value
    }

    private func unknown(_ written: String, nearest name: String) -> ConfigurationError {
        unknownOption(written, nearest: name, among: options.map { $0.name }, prefix: "--", helpCommand: helpCommand)
    }
}

/// `unknown option '--wrokers': did you mean --workers?`
func unknownOption(
    _ written: String, nearest name: String, among names: [String], prefix: String, helpCommand: String
) -> ConfigurationError {
    let message = "unknown option \(quoted(written))"
    guard let suggestion = nearestName(to: name, among: names) else {
        return ConfigurationError("\(message): \(helpCommand) lists them all")
    }
    return ConfigurationError("\(message): did you mean \(prefix)\(suggestion)?")
}
