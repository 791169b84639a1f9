// One roll from the question to its outcome, for whoever waits for it, for the history and for status. Works for any
// roll that ends in a report of the core, whatever began it.
internal import Glibc
internal import Reloader

final class RollWatch {
    enum Outcome: String {
        case done
        /// It failed and was reverted, or was given up.
        case failed
        case superseded
        /// It was not done in the time that it was given, and was reverted.
        case timedOut = "timed_out"
        /// The pool was stopped, and serves no more.
        case stopped
    }

    struct Ending {
        let outcome: Outcome
        /// nil: there is nothing to explain.
        let reason: String?
        let took: Duration
    }

    let facts: GenerationFacts
    let order: ReloadOrder
    /// The start of the daemon, which is no roll, and ends when all workers are ready.
    let isStart: Bool
    let askedAt: timespec
    private let startedAt: Instant
    private(set) var failure: RollFailure?
    private(set) var ending: Ending?
    /// What people should know of the generation that serves at the end.
    var notes: [String] = []
    /// Slots that serve what the roll goes to (in a revert: what it goes back to), of how many.
    private(set) var replaced = 0
    private(set) var workers: Int

    init(_ facts: GenerationFacts, _ order: ReloadOrder, workers: Int, isStart: Bool = false) {
        self.isStart = isStart
        self.facts = facts
        self.order = order
        self.workers = workers
        askedAt = WallClock.now()
        startedAt = MonotonicClock.now()
    }

    var generation: Int { facts.number }

    func progress(_ replaced: Int, of workers: Int) {
        self.replaced = replaced
        self.workers = workers
    }

    /// What follows is the revert.
    func fail(_ failure: RollFailure) {
        self.failure = failure
        replaced = 0
    }

    func end(_ outcome: Outcome, _ reason: String? = nil) {
        if ending != nil { return }
        let reasons = [failure?.reason, reason].compactMap { $0 }
        ending = Ending(
            outcome: outcome, reason: reasons.isEmpty ? nil : reasons.joined(separator: "; "), took: elapsed)
    }

    private var what: String { isStart ? "start" : order.isRollback ? "rollback" : "reload" }

    private var elapsed: Duration { MonotonicClock.now() - startedAt }

    // MARK: as JSON

    /// For those who wait. nil while it goes on.
    var result: JSON? {
        ending.map { result($0.outcome.rawValue, took: $0.took, reason: $0.reason, failure?.members ?? []) }
    }

    /// What has happened, for those who wait: the log's record, and how far the roll is.
    func event(_ record: StampedRecord) -> JSON {
        var record = record
        record.record.fields.removeAll { ["replaced", "workers"].contains($0.key) }
        record.record.fields += [("replaced", .number(replaced)), ("workers", .number(workers))]
        return record.json
    }

    /// For those who do not wait.
    ///
    /// - Parameter isPaused: it will not go on by itself.
    func begun(isPaused: Bool) -> JSON { Self.begun(generation: generation, isPaused: isPaused) }

    static func begun(generation: Int, isPaused: Bool) -> JSON {
        let reason: [JSON.Member] = isPaused ? [.init("reason", "the pool is paused: it waits for resume")] : []
        return .result([.init("outcome", "begun"), .init("generation", .integer(generation))] + reason)
    }

    /// For status: `result`, or how far it is.
    var summary: JSON {
        guard case .object(let members)? = result else { return .null }
        return .object(members.filter { $0.name != "type" && $0.name != "ok" } + [.init("by", order.asker.json)])
    }

    /// For the history.
    var entry: JSON {
        [
            "generation": .integer(generation), "what": .string(what),
            "working_directory": .string(facts.workingDirectory), "note": .optional(facts.note) { .string($0) },
            "asked_at": .string(LogFormatter.timestamp(askedAt)),
            "by": order.asker.json,
            "executable": facts.executableJSON,
            "took_s": .optional(ending) { .seconds($0.took) },
            "outcome": .optional(ending) { .string($0.outcome.rawValue) },
            "reason": .optional(ending?.reason) { .string($0) },
        ]
    }

    private func result(_ outcome: String, took: Duration, reason: String?, _ more: [JSON.Member]) -> JSON {
        var members: [JSON.Member] = [
            .init("outcome", .string(outcome)), .init("generation", .integer(generation)),
            .init("took_s", .seconds(took)),
        ]
        if let reason { members.append(.init("reason", .string(reason))) }
        if !notes.isEmpty { members.append(.init("notes", .array(notes.map { .string($0) }))) }
        return .result(members + more)
    }
}
