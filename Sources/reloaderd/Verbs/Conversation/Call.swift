// What the words after a verb ask for.
import Supervisor

struct Call {
    let verb: Verb
    var request: Request
    var daemon = DaemonChoice()
    /// Print what the daemon says, instead of text for people.
    var isJSON = false
    var isWatching = false
    /// The exit status says how the pool is.
    var wantsExitCode = false
    var wantsHelp = false
    var shell: Shell?

    /// - Parameter words: those that follow the verb.
    init(_ verb: Verb, _ words: ArraySlice<String>) throws(ConfigurationError) {
        self.verb = verb
        request = Request(verb: verb.name)
        let parser = OptionParser(options: verb.options, helpCommand: "reloaderd \(verb.name) --help")
        var operands: [String] = []
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
                operands.append(word)
            }
        }
        if wantsHelp { return }
        try check(hasOperand: try take(operands))
    }

    /// -2 is a number.
    private static func isOption(_ word: String) -> Bool {
        let second = word.utf8.dropFirst().first
        return OptionParser<Call>.isOption(word)
            && second.map { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 } != true
    }

    /// The daemon's name, and what the verb takes: `status web`, `scale web 4`, `scale 4`.
    ///
    /// - Returns: whether what the verb takes is there.
    private mutating func take(_ words: [String]) throws(ConfigurationError) -> Bool {
        var rest = words[...]
        if verb.takesName, let word = rest.first, verb.operand == nil || rest.count > 1 || !Self.isNumber(word) {
            guard daemon.name == nil && daemon.path == nil else { throw unwanted(word) }
            do throws(ConfigurationError) { daemon.name = try parseDaemonName(word) } catch {
                throw error.at(verb.name)
            }
            rest.removeFirst()
        }
        let operand = rest.popFirst()
        if let word = operand {
            guard let operand = verb.operand else { throw unwanted(word) }
            do throws(ConfigurationError) { try operand.take(word, &self) } catch { throw error.at(verb.name) }
        }
        if let word = rest.first { throw unwanted(word) }
        return operand != nil
    }

    /// A slot, a generation or a difference; a daemon whose name begins like that is named with --name.
    private static func isNumber(_ word: String) -> Bool {
        guard let first = word.utf8.first else { return false }
        return UInt8(ascii: "0")...UInt8(ascii: "9") ~= first || "+-".utf8.contains(first)
    }

    private func unwanted(_ word: String) -> ConfigurationError {
        let hint = verb.takesArguments ? " (new arguments of the program follow --)" : ""
        return ConfigurationError("\(verb.name): unexpected argument \(quoted(word))\(hint)")
    }

    private func check(hasOperand: Bool) throws(ConfigurationError) {
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
        if isWatching && wantsExitCode { throw ConfigurationError("--watch contradicts --exit-code: it has no end") }
        if isWatching && isJSON {
            throw ConfigurationError("--watch contradicts --json: ask again, or use events --follow")
        }
    }
}
