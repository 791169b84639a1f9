// What the words after a verb ask for.
import Supervisor

struct Call {
    let verb: Verb
    var request: Request
    var daemon = DaemonChoice()
    /// Print what the daemon says, instead of text for people.
    var isJSON = false
    var isWatching = false
    var wantsHelp = false
    var shell: Shell?

    /// - Parameter words: those that follow the verb.
    init(_ verb: Verb, _ words: ArraySlice<String>) throws(ConfigurationError) {
        self.verb = verb
        request = Request(verb: verb.name)
        let parser = OptionParser(options: verb.options, helpCommand: "reloaderd \(verb.name) --help")
        var hasOperand = false
        var hasEnded = false
        var rest = words
        while let word = rest.popFirst() {
            if word == "--" && !hasEnded {
                hasEnded = true
                guard verb.takesArguments else { continue }
                request.arguments = Array(rest)
                break
            }
            if Self.isOption(word) && !hasEnded {
                let given = try parser.occurrence(word, &rest)
                do throws(ConfigurationError) { try given.option.apply(given.value, &self) } catch {
                    throw error.at(given.place)
                }
            } else {
                guard !hasOperand else { throw unwanted(word) }
                try take(word)
                hasOperand = true
            }
        }
        if !wantsHelp { try check(hasOperand) }
    }

    /// -2 is a number.
    private static func isOption(_ word: String) -> Bool {
        let second = word.utf8.dropFirst().first
        return OptionParser<Call>.isOption(word)
            && second.map { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 } != true
    }

    private mutating func take(_ word: String) throws(ConfigurationError) {
        guard let operand = verb.operand else { throw unwanted(word) }
        do throws(ConfigurationError) { try operand.take(word, &self) } catch { throw error.at(verb.name) }
    }

    private func unwanted(_ word: String) -> ConfigurationError {
        let hint = verb.takesArguments ? ": new arguments of the program follow --" : ""
        return ConfigurationError("\(verb.name): one word too many, \(quoted(word))\(hint)")
    }

    private func check(_ hasOperand: Bool) throws(ConfigurationError) {
        if let operand = verb.operand, !operand.isOptional, !hasOperand {
            throw ConfigurationError("\(verb.name) needs a value: reloaderd \(verb.name) \(operand.value)")
        }
        if daemon.name != nil && daemon.path != nil {
            throw ConfigurationError("--name and --control are two ways to choose a daemon: give one of them")
        }
        if request.canaryTimeSeconds != nil && request.canary == nil {
            throw ConfigurationError("--canary-time needs --canary N")
        }
        if request.wait == false && request.timeoutSeconds != nil {
            throw ConfigurationError("--timeout contradicts --no-wait")
        }
        if isWatching && isJSON {
            throw ConfigurationError("--watch contradicts --json: ask again, or use events --follow")
        }
    }
}
