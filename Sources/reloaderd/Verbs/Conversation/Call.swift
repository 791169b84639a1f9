// What the words after a verb ask for, and the request that is sent for it.
import Supervisor

struct Call {
    let verb: Verb
    var request: Request
    var daemon = DaemonChoice()
    /// Prints the daemon's own lines instead of text for people.
    var isJSON = false
    var isWatching = false
    /// The exit status tells the state of the pool.
    var wantsExitCode = false
    var wantsHelp = false
    var shell: Shell?

    /// - Parameter words: the words that follow the verb.
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

    /// As `OptionParser.isOption`, but -2 is a number.
    private static func isOption(_ word: String) -> Bool {
        let second = word.utf8.dropFirst().first
        return OptionParser<Call>.isOption(word)
            && second.map { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 } != true
    }

    /// Takes the daemon's name and the operand: `status web`, `scale web 4`, `scale 4`.
    ///
    /// - Returns: whether the operand was given.
    private mutating func take(_ words: [String]) throws(ConfigurationError) -> Bool {
        var rest = words[...]
        if verb.takesName, let word = rest.first,
            verb.operand == nil || rest.count > 1 || !(Self.isNumber(word) || Self.isPath(word))
        {
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

    /// No daemon's name has a slash.
    private static func isPath(_ word: String) -> Bool { word.utf8.contains(UInt8(ascii: "/")) }

    /// Whether `word` is a slot, a generation or a difference. A daemon whose name begins like that needs --name.
    private static func isNumber(_ word: String) -> Bool {
        guard let first = word.utf8.first else { return false }
        return UInt8(ascii: "0")...UInt8(ascii: "9") ~= first || "+-".utf8.contains(first)
    }

    private func unwanted(_ word: String) -> ConfigurationError {
        let hint = verb.takesArguments ? " (new arguments for the program follow --)" : ""
        return ConfigurationError("\(verb.name): unexpected argument \(quoted(word))\(hint)")
    }

    private func check(hasOperand: Bool) throws(ConfigurationError) {
        if let operand = verb.operand, !operand.isOptional, !hasOperand {
            throw ConfigurationError("\(verb.name) needs a value: reloaderd \(verb.name) \(operand.value)")
        }
        if daemon.name != nil && daemon.path != nil {
            throw ConfigurationError("--name and --control are two ways to choose a daemon: give one of them")
        }
        if request.canaryTime != nil && request.canary == nil {
            throw ConfigurationError("--canary-time needs --canary N")
        }
        if request.wait == false && request.timeout != nil {
            throw ConfigurationError("--timeout contradicts --no-wait")
        }
        if isWatching && wantsExitCode { throw ConfigurationError("--watch contradicts --exit-code: it never ends") }
        if isWatching && isJSON {
            throw ConfigurationError("--watch contradicts --json: call status --json again, or use events --follow")
        }
    }
}

/// A verb with its arguments: see reloaderd-control(7). Arguments that are nil are not sent: the daemon knows the
/// defaults.
struct Request {
    let verb: String
    var wait: Bool?
    /// Slots to replace before a reload waits for `promote`.
    var canary: Int?
    var canaryTime: Duration?
    var surge: Int?
    var soak: Duration?
    var timeout: Duration?
    var maxFailures: Int?
    /// New arguments for the program.
    var arguments: [String]?
    var limit: Int?
    var follow: Bool?
    var slot: Int?
    /// The number of slots, or a difference to it.
    var to: Int?
    var by: Int?
    var fast: Bool?
    var generation: Int?
    /// What people call the generation that a reload makes.
    var note: String?
    /// Lets a rollback go to a generation whose files were changed.
    var force: Bool?
    /// Of another version of reloaderd.
    var path: String?
    /// Refuses what would have to wait.
    var now: Bool?

    init(verb: String) { self.verb = verb }

    var json: JSON {
        let members: [(String, JSON?)] = [
            ("v", .integer(ControlLimits.version)), ("verb", .string(verb)), ("wait", wait.map(JSON.bool)),
            ("canary", canary.map(JSON.integer)), ("canary_time_s", canaryTime.map(JSON.fraction)),
            ("surge", surge.map(JSON.integer)), ("soak_s", soak.map(JSON.fraction)),
            ("timeout_s", timeout.map(JSON.fraction)), ("max_failures", maxFailures.map(JSON.integer)),
            ("arguments", arguments.map { .array($0.map(JSON.string)) }), ("limit", limit.map(JSON.integer)),
            ("follow", follow.map(JSON.bool)), ("slot", slot.map(JSON.integer)), ("to", to.map(JSON.integer)),
            ("by", by.map(JSON.integer)), ("fast", fast.map(JSON.bool)), ("generation", generation.map(JSON.integer)),
            ("note", note.map(JSON.string)), ("force", force.map(JSON.bool)),
            ("path", path.map(JSON.string)), ("now", now.map(JSON.bool)),
        ]
        return .object(members.compactMap { name, value in value.map { JSON.Member(name, $0) } })
    }
}

extension JSON {
    fileprivate static func fraction(_ duration: Duration) -> JSON { .number(duration.inSeconds) }
}
