import Reloader

/// Reads a script's line word by word.
struct Words {
    let all: [String]
    private var place = 0

    init(_ text: String) {
        all = text.split(separator: " ").map(String.init)
    }

    mutating func next() -> String? {
        guard place < all.count else { return nil }
        defer { place += 1 }
        return all[place]
    }

    private var peek: String? { place < all.count ? all[place] : nil }

    mutating func word() throws(ScriptError) -> String {
        guard let word = next() else { throw ScriptError("a word is missing at the end") }
        return word
    }

    mutating func rest() -> [String] {
        defer { place = all.count }
        return Array(all[place...])
    }

    mutating func end() throws(ScriptError) {
        if let word = next() { throw ScriptError("unexpected word `\(word)`") }
    }

    mutating func int() throws(ScriptError) -> Int { try Self.int(word()) }

    mutating func duration() throws(ScriptError) -> Duration { try Self.duration(word()) }

    static func int(_ word: some StringProtocol) throws(ScriptError) -> Int {
        guard let number = Int(word) else { throw ScriptError("`\(word)` is not a number") }
        return number
    }

    static func duration(_ word: String) throws(ScriptError) -> Duration {
        if word.hasSuffix("ms") { return .milliseconds(try int(word.dropLast(2))) }
        guard word.hasSuffix("s") else { throw ScriptError("`\(word)` is not a duration") }
        return .seconds(try int(word.dropLast()))
    }

    // MARK: sentences

    mutating func policy(changing old: Policy) throws(ScriptError) -> Policy {
        var policy = old
        while let option = next() {
            switch option {
            case "workers": policy.workers = try int()
            case "surge": policy.surge = try int()
            case "soak": policy.soak = try duration()
            case "ready-after": policy.readiness = .after(try duration())
            case "ready-listening": policy.readiness = .listening
            case "ports-patience": policy.portsPatience = try duration()
            case "ready-timeout": policy.readyTimeout = try duration()
            case "drain-signal": policy.drain = .signal
            case "drain-outside": policy.drain = .outside(timeout: try duration())
            case "stop-timeout": policy.stopTimeout = try duration()
            case "backoff": policy.backoffBase = try duration()
            case "backoff-cap": policy.backoffCap = try duration()
            case "backoff-reset": policy.backoffReset = try duration()
            case "give-up": policy.giveUp = GiveUp(failures: try int(), within: try duration())
            case "watchdog": policy.watchdog = try duration()
            case "max-age": policy.maxAge = try duration()
            case "kept": policy.generationsKept = try int()
            default: throw ScriptError("`\(option)` is not part of a policy")
            }
        }
        return policy
    }

    /// `by canary 1 for 30s surge 2 soak 5s failures 3 timeout 60s`, up to `under` or the end. Each part may be
    /// missing.
    private mutating func plan() throws(ScriptError) -> RollPlan {
        var plan = RollPlan()
        guard peek == "by" else { return plan }
        _ = next()
        while let option = next(), option != "under" {
            switch option {
            case "canary": plan.canary = Canary(slots: try int())
            case "for": plan.canary?.time = try duration()
            case "surge": plan.surge = try int()
            case "soak": plan.soak = try duration()
            case "failures": plan.maxFailures = try int()
            case "timeout": plan.timeout = try duration()
            default: throw ScriptError("`\(option)` is not part of a plan")
            }
        }
        return plan
    }

    /// The number of a generation, if there is one.
    private mutating func generation() throws(ScriptError) -> Int? {
        guard let word = peek, word != "by" else { return nil }
        return try int()
    }

    mutating func event(_ verb: String, cast: Cast, policy: inout Policy) throws(ScriptError) -> Event {
        switch verb {
        case "start": return .start
        case "reload":
            let generation = try int()
            let plan = try plan()
            policy = try self.policy(changing: policy)
            return .reload(generation: generation, policy: policy, plan: plan)
        case "rollback":
            let generation = try self.generation()
            return .rollback(to: generation, plan: try plan())
        case "promote": return .promote
        case "pause": return .pause
        case "resume": return .resume
        case "restart": return .restart(slot: try int())
        case "over-memory": return .overMemory(try worker(cast))
        case "scale":
            let size = try word()
            let number = try Self.int(size)
            return .scale(size.hasPrefix("+") || size.hasPrefix("-") ? .by(number) : .to(number))
        case "drain-all": return .drainAll
        case "stop": return .stop(next() == "fast" ? .fast : .graceful)
        case "spawned": return .spawned(try worker(cast))
        case "failed": return .spawnFailed(try worker(cast), try spawnFailure())
        case "ready": return .ready(try worker(cast))
        case "listens": return .listens(try worker(cast), onAllExpected: true)
        case "listens-partly": return .listens(try worker(cast), onAllExpected: false)
        case "still-listens": return .portsCounted(try worker(cast), listens: true)
        case "listens-no-more": return .portsCounted(try worker(cast), listens: false)
        case "ping": return .heartbeat(try worker(cast))
        case "stopping": return .stopping(try worker(cast))
        case "extend": return .extendTimeout(try worker(cast), by: try duration())
        case "emptied": return .emptied(try worker(cast))
        case "exit": return .exited(try worker(cast), .exited(code: Int32(try next().map(Self.int) ?? 0)))
        case "exit-leaving": return .exited(try worker(cast), .exited(code: 0), leaves: true)
        case "crash-leaving": return .exited(try worker(cast), .signaled(11, coreDumped: true), leaves: true)
        case "nothing-left": return .leftoversGone(try worker(cast))
        case "overslept": return .overslept
        case "taken-over": return .takenOver
        case "crash": return .exited(try worker(cast), .signaled(11, coreDumped: true))
        default: throw ScriptError("`\(verb)` is not a verb")
        }
    }

    private mutating func worker(_ cast: Cast) throws(ScriptError) -> WorkerID {
        let name = try word()
        guard let worker = cast.worker(name) else { throw ScriptError("there has never been a worker \(name)") }
        return worker
    }

    private mutating func spawnFailure() throws(ScriptError) -> SpawnFailure {
        let name = try word()
        switch name {
        case "missing": return .missing
        case "refused": return .refused
        case "exhausted": return .exhausted
        default: throw ScriptError("`\(name)` is not a spawn failure")
        }
    }
}

extension StringProtocol {
    /// The text before the first `separator` and the text after it; nil for the second if there is no separator.
    func cut(at separator: String) -> (String, String?) {
        guard let range = firstRange(of: separator) else { return (String(self), nil) }
        return (String(self[..<range.lowerBound]), String(self[range.upperBound...]))
    }

    var trimmed: String {
        let words = split(separator: " ")
        return words.joined(separator: " ")
    }
}
