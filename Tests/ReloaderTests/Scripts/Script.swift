import Reloader
import Testing

/// Plays a script to a pool, in virtual time, and compares what the pool does line by line.
///
///     policy workers 2 soak 5s      the policy; before the start
///     start -> spawn 0/1 spawn 1/1  an event, and exactly the effects that it must have, in order; none: no arrow
///     ready 0/1                     workers are called slot/generation, the second of that name 0/1#2
///     ready 1/1 | pool-ready 2      after a bar: reports that must be among those of this line, in this order
///     wait 5s -> term 0/1           time passes; deadlines are delivered as they come
///     timer 25s                     the next deadline is that far away (`none`: there is none)
///     serves 2 1                    the generation of each slot, 0 … n-1
///     serving 0/2 1/1               the workers that take new requests, oldest first
///     kept 1 2                      the generations that a rollback may go to
///     bad 3                         the generations whose roll failed
///
/// Spawns are answered at once, unless `hold` says that the script answers them itself (`spawned`, `failed`).
///
/// Before each line another program goes on with the pool, from its state: no script can tell.
struct Script {
    private var policy = Self.frugal
    private var pool = Pool(policy: Self.frugal, seed: 1)
    private var now = Instant(nanoseconds: 0)
    private var effects: [Effect] = []
    private var cast = Cast()
    private var answersSpawns = true

    /// Keeps no generation for a rollback (unless `kept N` says so), so that most scripts need not think of them.
    private static var frugal: Policy {
        var policy = Policy()
        policy.generationsKept = 1
        return policy
    }

    /// Plays all lines. The first wrong line is recorded as an issue and ends the play.
    static func play(_ text: String, at location: SourceLocation = #_sourceLocation) {
        var script = Script()
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            do {
                try script.play(line: String(line.prefix { $0 != ";" }))
            } catch {
                let story = script.effects.map { script.cast.describe($0) }.joined(separator: "\n    ")
                Issue.record(
                    "line \(number + 1): \(line)\n  \(error.what)\n  all effects of this line:\n    \(story)",
                    sourceLocation: location)
                return
            }
        }
    }

    private mutating func play(line: String) throws(ScriptError) {
        let (beforeBar, reports) = line.cut(at: " | ")
        let (command, actions) = beforeBar.cut(at: " -> ")
        var words = Words(command)
        guard let verb = words.next() else { return }
        effects.removeAll()
        pool = try handedOn()
        try perform(verb, &words)
        try words.end()

        let acted = effects.compactMap { cast.action($0) }.joined(separator: " ")
        let expected = Words(actions ?? "").all.joined(separator: " ")
        if acted != expected { throw ScriptError("did:      \(acted)\n  expected: \(expected)") }
        if let reports { try expect(reports: reports) }
    }

    private func handedOn() throws(ScriptError) -> Pool {
        do {
            return try pool.throughBytes()
        } catch { throw ScriptError("the state is not taken back: \(error)") }
    }

    private func expect(reports text: String) throws(ScriptError) {
        var told = effects.compactMap { cast.story($0) }[...]
        for report in text.split(separator: ",").map({ $0.trimmed }) {
            guard let place = told.firstIndex(of: report) else {
                throw ScriptError("no report `\(report)`, or not in this order")
            }
            told = told[(place + 1)...]
        }
    }

    private mutating func perform(_ verb: String, _ words: inout Words) throws(ScriptError) {
        switch verb {
        case "policy":
            policy = try words.policy(changing: policy)
            pool = Pool(policy: policy, seed: 1)
        case "hold": answersSpawns = false
        case "wait": try wait(words.duration())
        case "timer": try expectTimer(words.word())
        case "serves": try expect(words.rest(), pool.slots.prefix(pool.policy.workers).map { "\($0.generation)" })
        case "serving": try expect(words.rest(), cast.workers(where: pool.isServing))
        case "kept": try expect(words.rest(), pool.keptGenerations.map { "\($0)" })
        case "bad": try expect(words.rest(), pool.badGenerations.map { "\($0)" })
        case "alive": try expect(words.rest(), ["\(pool.workersAlive)"])
        default: send(try words.event(verb, cast: cast, policy: &policy))
        }
    }

    private mutating func send(_ event: Event) {
        var answers = handle(event)
        while answersSpawns, !answers.isEmpty {
            answers = answers.flatMap { handle(.spawned($0)) }
        }
    }

    /// Returns the workers that this event has started.
    private mutating func handle(_ event: Event) -> [WorkerID] {
        let before = effects.count
        pool.handle(event, now: now, effects: &effects)
        return effects[before...].compactMap { cast.enter($0) }
    }

    private mutating func wait(_ duration: Duration) {
        let end = now + duration
        while let deadline = pool.nextDeadline, deadline <= end {
            now = deadline
            send(.deadline)
        }
        now = end
    }

    private func expectTimer(_ word: String) throws(ScriptError) {
        let expected = word == "none" ? nil : try Words.duration(word)
        let timer = pool.nextDeadline.map { $0 - now }
        if timer != expected { throw ScriptError("timer: \(timer.map { "\($0)" } ?? "none")") }
    }

    private func expect(_ expected: [String], _ found: [String]) throws(ScriptError) {
        if found != expected { throw ScriptError("found \(found.joined(separator: " "))") }
    }
}

struct ScriptError: Error {
    let what: String

    init(_ what: String) { self.what = what }
}
