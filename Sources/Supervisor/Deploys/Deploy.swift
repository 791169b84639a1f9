// One deploy from the order to its outcome, for whoever waits for it, for the history and for status. Works for any
// roll that ends in a report of the core, whatever began it.
internal import Glibc
internal import Reloader

/// What is asked for, by whom: a HUP and the verbs of the control socket come the same way.
struct DeployOrder {
    var asker: Asker
    var changes = Releases.Changes()
    /// It goes back to a generation that was there before.
    var isRollback = false
}

final class Deploy {
    struct Ending {
        let outcome: RollOutcome
        /// nil: there is nothing to explain.
        let reason: String?
        let took: Duration
    }

    let facts: GenerationFacts
    let order: DeployOrder
    /// The start of the daemon, which is no roll, and ends when all workers are ready.
    let isStart: Bool
    let askedAt: timespec
    private let startedAt: Instant
    private(set) var failure: DeployFailure?
    private(set) var ending: Ending?
    /// What people should know of the generation that serves at the end.
    var notes: [String] = []
    /// Slots that serve what the roll goes to (in a revert: what it goes back to), of how many.
    private(set) var replaced = 0
    private(set) var workers: Int

    init(_ facts: GenerationFacts, _ order: DeployOrder, workers: Int, isStart: Bool = false) {
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
    func fail(_ failure: DeployFailure) {
        self.failure = failure
        replaced = 0
    }

    func end(_ outcome: RollOutcome, _ reason: String? = nil) {
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
        ending.map { result($0.outcome, took: $0.took, reason: $0.reason, failure?.members ?? []) }
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
        return .result(
            [.init("outcome", .word(RollOutcome.begun)), .init("generation", .integer(generation))] + reason)
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
            "outcome": .optional(ending) { .word($0.outcome) },
            "reason": .optional(ending?.reason) { .string($0) },
        ]
    }

    private func result(_ outcome: RollOutcome, took: Duration, reason: String?, _ more: [JSON.Member]) -> JSON {
        var members: [JSON.Member] = [
            .init("outcome", .word(outcome)), .init("generation", .integer(generation)),
            .init("took_s", .seconds(took)),
        ]
        if let reason { members.append(.init("reason", .string(reason))) }
        if !notes.isEmpty { members.append(.init("notes", .array(notes.map { .string($0) }))) }
        return .result(members + more)
    }
}

/// Why a deploy failed: the worker that made it fail, how it ended, and what it said.
struct DeployFailure {
    var reason: String
    /// nil: it has not ended, or was never there.
    var status: ExitStatus?
    /// What it wrote, as far as that is kept.
    private var lines: [OutputLine]
    /// The roll's own time was over.
    private(set) var isTimeout = false

    init(_ reason: FailureReason, _ context: ReportContext, slot: Int, lines: [OutputLine]) {
        self.reason = "slot \(slot): \(reason.words(context))"
        self.lines = lines
        switch reason {
        case .exitedBeforeReady(let status), .exitedInSoak(let status), .crashed(let status): self.status = status
        case .spawnFailed, .readyTimedOut, .silent, .endedAsCanary: status = nil
        }
    }

    /// No worker failed: the roll was not done in time.
    init(timedOutAfter time: Duration) {
        reason = "not done within \(LogFormatter.seconds(time))s"
        lines = []
        isTimeout = true
    }

    var members: [JSON.Member] {
        var members: [JSON.Member] = []
        switch status {
        case .exited(let code)?: members.append(.init("exit_status", .integer(Int(code))))
        case .signaled(let signal, _)?: members.append(.init("signal", .string(signalName(signal))))
        case nil: break
        }
        members.append(.init("stderr", texts(of: .standardError)))
        members.append(.init("stdout", texts(of: .standardOutput)))
        return members
    }

    private func texts(of stream: WorkerStream.Kind) -> JSON {
        .array(lines.filter { $0.stream == stream }.texts.map { .string($0) })
    }
}
