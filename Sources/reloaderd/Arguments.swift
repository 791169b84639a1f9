// The command line, taken apart into options and the program, without looking at any value.
import Supervisor

/// An option as it was given: where, and with what value.
struct Occurrence {
    let option: Option
    /// "" where none was given to an option that takes none or need not have one.
    let value: String
    /// For messages: `--workers`, or `/etc/app.conf:3: workers`.
    let place: String
}

/// The command line in its parts.
struct Arguments {
    private(set) var occurrences: [Occurrence] = []
    /// The program and its arguments; empty: none was given.
    private(set) var program: [String] = []
    /// Why the rest could not be read.
    private(set) var problem: ConfigurationError?

    /// Reads `words`, which follow the name of the command, up to the first thing that is wrong.
    init(_ words: [String]) {
        var rest = words[...]
        do throws(ConfigurationError) {
            while let word = rest.popFirst() {
                if word == "--" {
                    program = Array(rest)
                    return
                }
                guard word.utf8.first == UInt8(ascii: "-"), word.utf8.count > 1 else {
                    if let verb = Verb(rawValue: word) { throw verb.notYet }
                    program = [word] + rest
                    return
                }
                occurrences.append(try Self.occurrence(word, &rest))
            }
        } catch { problem = error }
    }

    private static func occurrence(
        _ word: String, _ rest: inout ArraySlice<String>
    ) throws(ConfigurationError) -> Occurrence {
        if word.utf8.starts(with: "--".utf8) { return try long(word, &rest) }
        return try short(word, &rest)
    }

    /// `--name`, `--name value`, `--name=value`; the last only where the value may be left out.
    private static func long(
        _ word: String, _ rest: inout ArraySlice<String>
    ) throws(ConfigurationError) -> Occurrence {
        let (dashed, attached) = cut(word, at: UInt8(ascii: "=")) ?? (word, nil)
        let name = dashed.dropFirst(2)
        guard let option = Option.named(name) else { throw unknownOption(dashed, nearest: String(name), prefix: "--") }
        let place = "--\(option.name)"
        guard option.value != nil else {
            guard attached == nil else { throw ConfigurationError("\(place) takes no value") }
            return Occurrence(option: option, value: "", place: place)
        }
        if option.isValueOptional && attached == "" {
            throw ConfigurationError(
                "\(place)= has no value after it: write \(place) alone, or \(place)=\(option.value ?? "")")
        }
        if let attached { return Occurrence(option: option, value: attached, place: place) }
        if option.isValueOptional { return Occurrence(option: option, value: "", place: place) }
        return Occurrence(option: option, value: try following(option, place, &rest), place: place)
    }

    /// `-w`, `-w value`, `-wvalue`.
    private static func short(
        _ word: String, _ rest: inout ArraySlice<String>
    ) throws(ConfigurationError) -> Occurrence {
        let letter = word.utf8.dropFirst().first
        guard let option = Option.all.first(where: { $0.short != nil && $0.short == letter }) else {
            throw unknownOption(word, nearest: String(word.drop { $0 == "-" }), prefix: "--")
        }
        let place = "--\(option.name)"
        let attached = String(word.utf8.dropFirst(2)) ?? ""
        guard option.value != nil else {
            guard attached.isEmpty else { throw ConfigurationError("\(place) takes no value") }
            return Occurrence(option: option, value: "", place: place)
        }
        let isComplete = !attached.isEmpty || option.isValueOptional
        let value = isComplete ? attached : try following(option, place, &rest)
        return Occurrence(option: option, value: value, place: place)
    }

    /// The next word is the value, unless it looks like an option that came because the value was forgotten.
    private static func following(
        _ option: Option, _ place: String, _ rest: inout ArraySlice<String>
    ) throws(ConfigurationError) -> String {
        let form = "\(place) needs a value: \(place) \(option.value ?? "")"
        guard let value = rest.popFirst() else { throw ConfigurationError(form) }
        if value.utf8.starts(with: "--".utf8) {
            throw ConfigurationError("\(form); write \(place)=\(printable(value)) if that is the value")
        }
        return value
    }
}

/// A first word that will talk to a running daemon.
enum Verb: String, CaseIterable {
    case reload, restart, status, list, scale, stop, pause, resume, promote, rollback, history, events, logs

    var notYet: ConfigurationError {
        ConfigurationError(
            "'\(rawValue)' is kept for talking to a running reloaderd, which this version cannot yet; "
                + "for a program of that name write ./\(rawValue) or -- \(rawValue)")
    }
}

/// `unknown option '--wrokers': did you mean --workers?`
func unknownOption(_ written: String, nearest name: String, prefix: String) -> ConfigurationError {
    let message = "unknown option \(quoted(written))"
    guard let suggestion = nearestName(to: name, among: Option.all.map { $0.name }) else {
        return ConfigurationError("\(message): reloaderd --help lists them all")
    }
    return ConfigurationError("\(message): did you mean \(prefix)\(suggestion)?")
}
