// The command line of the daemon, taken apart into options and the program, without looking at any value.
import Supervisor

/// The command line in its parts.
struct Arguments {
    private(set) var occurrences: [Occurrence] = []
    /// The program and its arguments; empty: none was given.
    private(set) var program: [String] = []
    /// Why the rest could not be read.
    private(set) var problem: ConfigurationError?

    /// Reads `words`, which follow the name of the command, up to the first thing that is wrong.
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
                    // As the first word it would not have come here.
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
            "'\(word)' is a verb and stands first: reloaderd \(word) [OPTIONS] (to run a program of that name: "
                + "reloaderd -- \(word))")
    }
}
