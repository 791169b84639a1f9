// Takes words apart into options, without looking at any value: the same for the daemon and for each verb. Unknown
// options get a "did you mean …?".
import Supervisor

/// An option as it was given: its value and its place.
struct OptionOccurrence<Target> {
    let option: CommandOption<Target>
    /// "" if the option takes no value, or if its value was left out.
    let value: String
    /// For messages: `--workers`, or `/etc/app.conf:3: workers`.
    let place: String
}

typealias Occurrence = OptionOccurrence<Draft>

/// Reads words against a table of options.
struct OptionParser<Target> {
    let options: [CommandOption<Target>]
    /// The command that lists all options, for messages.
    let helpCommand: String

    /// Whether `word` is an option. A lone `-` is not.
    static func isOption(_ word: String) -> Bool { word.utf8.first == UInt8(ascii: "-") && word.utf8.count > 1 }

    /// The option that `word` begins. If its value is the next word, it is taken from `rest`.
    func occurrence(
        _ word: String, _ rest: inout ArraySlice<String>
    ) throws(ConfigurationError) -> OptionOccurrence<Target> {
        if word.utf8.starts(with: "--".utf8) { return try long(word, &rest) }
        return try short(word, &rest)
    }

    /// `--name`, `--name value`, `--name=value`; a value that may be left out needs the last form.
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

    /// The next word is the value, unless it looks like an option, because then the value was probably forgotten.
    private func following(
        _ option: CommandOption<Target>, _ place: String, _ rest: inout ArraySlice<String>
    ) throws(ConfigurationError) -> String {
        let form = "\(place) needs a value: \(place) \(option.value ?? "")"
        guard let value = rest.popFirst() else { throw ConfigurationError(form) }
        if value.utf8.starts(with: "--".utf8) {
            throw ConfigurationError("\(form); if \(quoted(value)) is the value, write \(place)=\(printable(value))")
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
        return ConfigurationError("\(message): \(helpCommand) lists all options")
    }
    return ConfigurationError("\(message): did you mean \(prefix)\(suggestion)?")
}

// MARK: did you mean …?

/// The name that `word` most likely stands for: the one with the fewest typing errors, if they are few, or one that
/// begins with `word`.
func nearestName(to word: String, among names: [String]) -> String? {
    let word = Array(word.utf8)
    // No name is longer, and a megabyte is not a typing error.
    let lengthMax = 32
    guard !word.isEmpty, word.count <= lengthMax else { return nil }
    let errorsMax = max(1, word.count / 3)
    let similar = names.filter { abs($0.utf8.count - word.count) <= errorsMax }
    let distances = similar.map { name in (name, editDistance(word, Array(name.utf8))) }
    if let (name, distance) = distances.min(by: { $0.1 < $1.1 }), distance <= errorsMax { return name }
    return names.first { $0.utf8.starts(with: word) }
}

/// How many letters must be added, removed, replaced or swapped with their neighbour to turn `left` into `right`.
func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var beforePrevious: [Int] = []
    var previous = Array(0...right.count)
    for i in left.indices {
        var current = [i + 1]
        for j in right.indices {
            let replaced = previous[j] + (left[i] == right[j] ? 0 : 1)
            var best = min(previous[j + 1] + 1, current[j] + 1, replaced)
            if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                best = min(best, beforePrevious[j - 1] + 1)
            }
            current.append(best)
        }
        (beforePrevious, previous) = (previous, current)
    }
    return previous[right.count]
}
