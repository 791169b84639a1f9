// One deploy from the order to its outcome, for clients that wait for it, for the history and for status. It works for
// any roll that ends in a report of the core, however the roll began.
internal import Glibc
internal import Reloader

/// What was asked for, and who asked. A HUP and the verbs of the control socket both become such an order.
struct DeployOrder: Codable {
    var asker: Asker
    var changes = Releases.Changes()
    /// The deploy goes back to an earlier generation.
    var isRollback = false
}

final class Deploy {
    struct Ending: Codable {
        let outcome: RollOutcome
        /// nil: there is nothing to explain.
        let reason: String?
        let took: Duration
    }

    let facts: GenerationFacts
    let order: DeployOrder
    /// This is the start of the daemon, which is not a roll and ends when all workers are ready.
    let isStart: Bool
    let askedAt: timespec
    private let startedAt: Instant
    private(set) var failure: DeployFailure?
    private(set) var ending: Ending?
    /// What people should know of the generation that serves at the end.
    var notes: [String] = []
    /// Slots that serve the generation that the roll goes to or, in a revert, goes back to.
    private(set) var replaced = 0
    /// The number of all slots.
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

    // MARK: for the daemon that comes next

    struct State: Codable {
        let facts: GenerationFacts
        let order: DeployOrder
        let isStart: Bool
        let askedAt: timespec
        let startedAt: Instant
        let failure: DeployFailure?
        let ending: Ending?
        let notes: [String]
        let replaced: Int
        let workers: Int
    }

    var state: State {
        State(
            facts: facts, order: order, isStart: isStart, askedAt: askedAt, startedAt: startedAt, failure: failure,
            ending: ending, notes: notes, replaced: replaced, workers: workers)
    }

    init(_ state: State) {
        facts = state.facts
        order = state.order
        isStart = state.isStart
        askedAt = state.askedAt
        startedAt = state.startedAt
        failure = state.failure
        ending = state.ending
        notes = state.notes
        replaced = state.replaced
        workers = state.workers
    }

    // MARK: what happens

    func progress(_ replaced: Int, of workers: Int) {
        self.replaced = replaced
        self.workers = workers
    }

    /// Notes the failure. From now on the deploy counts the slots that the revert brings back.
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

    /// The result for clients that wait; nil while the deploy goes on.
    var result: JSON? {
        ending.map { result($0.outcome, took: $0.took, reason: $0.reason, failure?.members ?? []) }
    }

    /// The log's record and how far the roll is, for clients that wait.
    func event(_ record: StampedRecord) -> JSON {
        var record = record
        record.record.fields.removeAll { ["replaced", "workers"].contains($0.key) }
        record.record.fields += [("replaced", .number(replaced)), ("workers", .number(workers))]
        return record.json
    }

    /// The answer for clients that do not wait.
    ///
    /// - Parameter isPaused: the roll will not go on by itself.
    func begun(isPaused: Bool) -> JSON { Self.begun(generation: generation, isPaused: isPaused) }

    static func begun(generation: Int, isPaused: Bool) -> JSON {
        let reason: [JSON.Member] = isPaused ? [.init("reason", "the pool is paused: it waits for resume")] : []
        return .result(
            [.init("outcome", .word(RollOutcome.begun)), .init("generation", .integer(generation))] + reason)
    }

    /// The `result` for `status`, with the asker; null while the deploy goes on.
    var summary: JSON {
        guard case .object(let members)? = result else { return .null }
        return .object(members.filter { $0.name != "type" && $0.name != "ok" } + [.init("by", order.asker.json)])
    }

    /// The entry in the history.
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
struct DeployFailure: Codable {
    var reason: String
    /// nil: the worker has not ended, or was never started.
    var status: ExitStatus?
    /// What the worker wrote, as far as that is kept.
    private var lines: [OutputLine]
    /// The roll's own time was up.
    private(set) var isTimeout = false

    init(_ reason: FailureReason, _ context: ReportContext, slot: Int, lines: [OutputLine]) {
        self.reason = "slot \(slot): \(reason.words(context))"
        self.lines = lines
        switch reason {
        case .exitedBeforeReady(let status), .exitedInSoak(let status), .crashed(let status): self.status = status
        case .spawnFailed, .readyTimedOut, .silent, .endedAsCanary: status = nil
        }
    }

    /// The failure of a roll that was not done in time; no worker failed.
    init(timedOutAfter time: Duration) {
        reason = "not finished within \(LogFormatter.seconds(time))s"
        lines = []
        isTimeout = true
    }

    var members: [JSON.Member] {
        var members: [JSON.Member] = []
        switch status {
        case .exited(let code)?: members.append(.init("exit_status", .integer(Int(code))))
        case .signaled(let signal, _)?: members.append(.init("signal", .string(signalName(signal))))
        case .unknown?, nil: break
        }
        members.append(.init("stderr", texts(of: .standardError)))
        members.append(.init("stdout", texts(of: .standardOutput)))
        return members
    }

    private func texts(of stream: WorkerStream.Kind) -> JSON {
        .array(lines.filter { $0.stream == stream }.texts.map { .string($0) })
    }
}

/// What there is to tell about a generation, even after it was released.
struct GenerationFacts: Codable {
    let number: Int
    let executable: String
    let inode: UInt64
    let modifiedAt: timespec
    let workingDirectory: String
    let madeAt: timespec
    let note: String?
    let changedFiles: [String]

    init(_ generation: Generation) {
        number = generation.number
        executable = generation.executable.path
        inode = generation.executable.trace.inode
        modifiedAt = generation.executable.trace.modifiedAt
        workingDirectory = pathOfDescriptor(generation.directory.number) ?? generation.program.workingDirectory ?? "."
        madeAt = generation.madeAt
        note = generation.note
        changedFiles = generation.changedFiles
    }

    /// The executable as the history writes it.
    var executableJSON: JSON {
        [
            "path": .string(executable), "inode": .integer(Int(clamping: inode)),
            "mtime": .string(LogFormatter.timestamp(modifiedAt)),
        ]
    }
}
