// The command line of the daemon, taken apart into options and the program without looking at any value. A program
// whose name looks like a verb is refused.
import Supervisor

/// The parts of the command line.
struct Arguments {
    private(set) var occurrences: [Occurrence] = []
    /// The program and its arguments; empty if none was given.
    private(set) var program: [String] = []
    /// Why the rest of the command line could not be read.
    private(set) var problem: ConfigurationError?

    /// Reads `words`, which follow the name of the command, up to the first error.
    init(_ words: [String]) {
        let parser = OptionParser(options: Option.all, helpCommand: "reloaderd --help")
        var rest = words[...]
        do throws(ConfigurationError) {
            while let word = rest.popFirst() {
                if word == "--" {
                    program = Array(rest)
                    return
                }
                guard OptionParser<Draft>.isOption(word) else {
                    // A verb that is the first word was run before.
                    if Verb.named(MeantVerb.aliases[word] ?? word) != nil || MeantVerb.plain.contains(word) {
                        throw Self.lateVerb(word)
                    }
                    if let problem = MeantVerb.problem(with: word) { throw problem }
                    program = [word] + rest
                    return
                }
                occurrences.append(try parser.occurrence(word, &rest))
            }
        } catch { problem = error }
    }

    private static func lateVerb(_ word: String) -> ConfigurationError {
        ConfigurationError(
            "'\(word)' is a verb and must be the first argument: reloaderd \(word) [OPTIONS] (to run a program of that "
                + "name: reloaderd -- \(word))")
    }
}

/// A word that was meant as a verb is never run as a program: `reloaderd statsu` must not start workers of that name.
enum MeantVerb {
    /// Words that other tools use, with the words for it here.
    private static let known: [(word: String, advice: String)] = [
        ("start", "to start a program, name it: reloaderd [OPTIONS] PROGRAM [ARG...]"),
        ("run", "to start a program, name it: reloaderd [OPTIONS] PROGRAM [ARG...]"),
        ("init", "there is nothing to set up: reloaderd [OPTIONS] PROGRAM [ARG...]"),
        ("ps", "did you mean reloaderd status, or reloaderd list?"),
        ("top", "did you mean reloaderd status --watch?"),
        ("monit", "did you mean reloaderd status --watch?"),
        ("show", "did you mean reloaderd status?"),
        ("describe", "did you mean reloaderd status?"),
        ("info", "did you mean reloaderd status?"),
        ("log", "did you mean reloaderd logs (of the workers), or reloaderd events (of the daemon)?"),
        ("undo", "did you mean reloaderd rollback?"),
        ("revert", "did you mean reloaderd rollback?"),
        ("deploy", "did you mean reloaderd reload?"),
        ("upgrade", "did you mean reloaderd reload?"),
        ("kill", "did you mean reloaderd stop, or reloaderd stop --fast?"),
        ("shutdown", "did you mean reloaderd stop?"),
        ("delete", "did you mean reloaderd stop?"),
        ("enable", "systemd starts services at boot: systemctl enable reloaderd@NAME"),
        ("disable", "systemd starts services at boot: systemctl disable reloaderd@NAME"),
    ]

    /// Words that work like a verb if they come first.
    static let aliases = ["ls": "list"]
    static let plain = ["help", "version"]
    /// Programs whose names are near a verb's.
    private static let programs = ["docker"]

    /// Why `word` is not run as a program; nil if it is.
    static func problem(with word: String) -> ConfigurationError? {
        guard let advice = advice(on: word) else { return nil }
        return ConfigurationError(
            "\(quoted(word)) is not a verb: \(advice) (to run a program of that name: reloaderd -- \(printable(word)))")
    }

    private static func advice(on word: String) -> String? {
        if let entry = known.first(where: { $0.word == word }) { return entry.advice }
        if programs.contains(word) { return nil }
        let verb = Verb.all.first { isSlip(word, of: $0.name) }
        return verb.map { "did you mean reloaderd \($0.name)?" }
    }

    /// Whether `word` is `verb` with one typing error, or two in a long word with the same first letter. Case and
    /// dashes do not count. A path is never a verb.
    private static func isSlip(_ word: String, of verb: String) -> Bool {
        let name = Array(verb.utf8)
        let letters = word.utf8.filter { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: "_") }
        let lower = letters.map { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 ? $0 + 32 : $0 }
        guard lower.count >= 3, abs(lower.count - name.count) <= 2, !lower.contains(UInt8(ascii: "/")) else {
            return false
        }
        let errorsMax = name.count >= 6 && lower.first == name.first ? 2 : 1
        return editDistance(lower, name) <= errorsMax
    }
}
