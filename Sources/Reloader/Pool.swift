// The decision core of reloaderd. It guarantees, whatever its workers do:
//
// 1. A roll or a recycle never lowers capacity: the number of ready workers does not drop below what it was at the
//    beginning, except for workers that crash (or that a smaller pool has no slot for).
// 2. Never more than n + surge workers are starting or ready, and n + 1 without a roll; per slot at most
//    `Policy.lingeringMax` + 1 are draining.
// 3. In a roll or a recycle a ready worker is emptied or asked to finish only if its slot has another one that serves:
//    for the old worker that is its ready and soaked replacement, for an abandoned replacement it is the old worker.
// 4. A worker is emptied at most once, then gets at most one stop signal, then at most one SIGKILL, and none after its
//    exit was seen. Each exit is seen once.
// 5. Delays follow the backoff formula; but if the first failure in a row is that of a worker that had served, there is
//    none after it. No slot is ever started twice at the same time in the same role.
// 6. When workers are healthy again and no command is pending, the pool settles: n ready workers of one generation, and
//    no timer armed except watchdogs.
// 7. After a stop no worker is started, and the daemon ends when the last worker has ended, along with everything that
//    the workers have started.
// 8. After a failed roll every slot serves the generation that it served before.
// 9. Until its canary is promoted a roll takes no more slots than the canary has, and while the pool is paused it takes
//    none.
// 10. At most one worker is being recycled, and none during a roll.
// 11. A generation is released once, when nothing can start it again: no slot serves it, it is not the roll's target,
//     and it is not among the last `Policy.generationsKept` that were brought to every slot.
// 12. The processes that a worker leaves behind get the stop signal once, have what was left of the worker's stop
//     timeout (all of it if the worker ended unasked), and then get SIGKILL. The daemon ends when none is left.
// 13. After a time in which nothing ran, each wait that could fail or kill a worker is as long as at its beginning.
// 14. A worker that has its slot for good and is silent for its watchdog's interval is killed when its replacement
//     takes the slot. Without that it is killed only if it was silent for a second interval and no replacement was on
//     the way.
// 15. A worker that uses too much memory soon after it was ready, in place of one that did so too, is not replaced for
//     that reason at once: the delay doubles with each one in a row.
// 16. A worker becomes ready by listening if it listens on all the ports that are expected of it, or on some of them
//     when no further one has come for `Policy.portsPatience` and the worker has not closed them all by then.
// 17. A pool that is restored from its state goes on like one that never stopped. After a takeover from a daemon that
//     died, all that was asked for and has no answer or end yet is asked for again, and nothing is concluded from the
//     time in which nobody listened.
//
// The contract of the loop: one event in, all effects out, then wait for the next event or `nextDeadline`, whichever
// comes first. Nothing here reads a clock, draws a random number that the seed did not fix, or touches a process.
//
// Where to look: Pool+Commands (what people ask), Pool+News (what workers do), Pool+Deadlines (what time does),
// Pool+Starts and Pool+Endings (the only places that start and end workers), Pool+Leftovers (what they leave behind),
// Pool+Failures (backoff), Pool+Roll, Pool+Canary (what holds a roll back), Pool+Recycle; PoolHead, StateCheck
// and Pool+Takeover (how a pool is handed on). Only `change` changes a slot.

/// All slots, and every rule about them: a state machine that turns events into effects.
public struct Pool: Sendable {
    public enum Phase: Codable, Equatable, Sendable {
        case notStarted
        case running
        /// All workers drained; nothing is started until the next reload.
        case drained
        /// The daemon ends with `status` once no worker is left.
        case stopping(StopMode, status: Int32)
        case finished
    }

    /// `workers` is n, the number of slots.
    public internal(set) var policy: Policy
    public internal(set) var phase = Phase.notStarted
    /// Slots 0 ..< n, followed by those of a formerly larger pool until their last worker is gone.
    public private(set) var slots: [Slot] = []
    public internal(set) var roll: Roll?
    /// Rolls take no further slots.
    public internal(set) var isPaused = false
    /// Never set while there is a roll.
    public internal(set) var recycle: Recycle?
    /// Sums over all slots.
    public internal(set) var totals = Tally()

    var generations = GenerationLedger()
    var settled = SettledGenerations()
    /// Slots whose restart was asked for and has not begun, each listed once.
    var askedRestarts: [Int] = []
    var deadlines = DeadlineQueue()
    var history = FailureHistory()
    var random: RandomNumbers
    /// The slot of every worker that is not gone yet.
    var slotOfWorker: [WorkerID: Int] = [:]
    /// The slot of every worker that is gone and has left processes behind.
    var slotOfLeftovers: [WorkerID: Int] = [:]
    var lastWorkerNumber: UInt64 = 0
    var startedAt = Instant(nanoseconds: 0)
    /// At least one worker's program was executed: from then on a missing program is no typing error of the user's.
    var hasSpawned = false
    var hasBeenReady = false
    /// When a stop was first asked for.
    var stopAskedAt: Instant?

    /// The slots that have changed since somebody last asked, and the head as it was then.
    var changed = ChangedSlots()
    var toldHead: PoolHead?

    /// The time of the current event.
    var now = Instant(nanoseconds: 0)
    /// What is to be done about the current event: the caller's array, while the event is handled.
    var effects: [Effect] = []

    /// `seed` decides all jitter: the same seed and events give the same effects.
    public init(policy: Policy, seed: UInt64) {
        self.policy = Self.bounded(policy)
        random = RandomNumbers(seed: seed)
    }

    /// Goes on from a state that was taken from another pool: equal events have equal effects in both. Everything that
    /// is derived from the state is derived again.
    ///
    /// - Parameters:
    ///   - head: `PoolHead` says which clock its instants are on.
    ///   - slots: all of them, in order, of the same moment as the head.
    /// - Throws: if these cannot have been the head and the slots of a pool. Nothing that is decoded from outside traps
    ///   here, or later.
    public init(head: PoolHead, slots: [Slot]) throws(PoolStateError) {
        try StateCheck(head: head, slots: slots).run()
        policy = head.policy
        phase = head.phase
        roll = head.roll
        isPaused = head.isPaused
        recycle = head.recycle
        generations = GenerationLedger(head.generations, newest: head.newestGeneration)
        settled = head.settled
        askedRestarts = head.askedRestarts
        history = head.history
        random = head.random
        lastWorkerNumber = head.lastWorkerNumber
        startedAt = head.startedAt
        hasSpawned = head.hasSpawned
        hasBeenReady = head.hasBeenReady
        stopAskedAt = head.stopAskedAt
        for slot in slots { restore(slot) }
        changed = ChangedSlots()
        toldHead = head
    }

    /// Nothing is started any more: the pool is stopping or has ended.
    public var isEnding: Bool {
        switch phase {
        case .stopping, .finished: true
        case .notStarted, .running, .drained: false
        }
    }

    /// When to send `Event.deadline` if nothing comes before that. nil: the pool waits for no time. Always later than
    /// the last event's `now`. O(1).
    public var nextDeadline: Instant? {
        [deadlines.earliest?.deadline, rollDeadline].compactMap { $0 }.min()
    }

    /// The number of workers whose exit has not been seen, in any state, including unanswered spawns. O(1).
    public var workersAlive: Int { slotOfWorker.count }

    /// The worker takes new requests: it is ready and has not been asked to finish. O(1).
    public func isServing(_ id: WorkerID) -> Bool {
        guard let slot = slotOfWorker[id], let role = slots[slot].role(of: id) else { return false }
        return slots[slot][role]?.state.isReady ?? false
    }

    /// The generations that may still be started. All others have been released.
    public var knownGenerations: [Int] { generations.all }

    /// The newest generation that was asked for.
    public var newestGeneration: Int { generations.newest }

    /// The last generation that a roll brought to every slot (or the first); a failed roll goes back to it.
    public var settledGeneration: Int { settled.current }

    /// Generations that a rollback may go to, including the settled one, in the order in which they were last settled.
    public var keptGenerations: [Int] { settled.kept }

    /// Generations whose last roll failed or timed out, oldest first; at most the last `SettledGenerations.badMax` of
    /// them.
    public var badGenerations: [Int] { settled.bad }

    /// The number of slots that serve the roll's target (all of them if there is no roll). O(1).
    public var slotsReplaced: Int {
        roll.map { generations.slots(at: $0.target) } ?? policy.workers
    }

    /// Slots whose worker has failed and that no worker has served since.
    public var failingSlots: [Int] { slots.indices.prefix(policy.workers).filter { slots[$0].isFailing } }

    /// Appends the effects that `event` calls for, to be carried out in order. `now` never goes back. Late or
    /// unexpected news of workers is normal, and ignored.
    public mutating func handle(_ event: Event, now: Instant, effects: inout [Effect]) {
        self.now = now
        swap(&self.effects, &effects)
        defer { swap(&self.effects, &effects) }
        take(event)
        settle()
    }

    private mutating func take(_ event: Event) {
        switch event {
        case .start: start()
        case .reload(let generation, let policy, let plan): reload(to: generation, under: policy, by: plan)
        case .rollback(let generation, let plan): rollBack(to: generation, by: plan)
        case .promote: promote()
        case .pause: pause()
        case .resume: resume()
        case .restart(let slot): askForRestart(of: slot)
        case .scale(let change): scale(change)
        case .drainAll: drainAll()
        case .stop(let mode): stop(mode)
        case .spawned(let id): withWorker(id) { $0.confirmSpawned($1, in: $2) }
        case .spawnFailed(let id, let failure): withWorker(id) { $0.spawnFailed($1, in: $2, failure) }
        case .portsCounted(let id, let listens): withWorker(id) { $0.portsCounted($1, in: $2, listens: listens) }
        case .ready(let id): withWorker(id) { $0.saidReady($1, in: $2) }
        case .listens(let id, let isAll): withWorker(id) { $0.saidListens($1, in: $2, onAllExpected: isAll) }
        case .heartbeat(let id): withWorker(id) { $0.saidAlive($1, in: $2) }
        case .stopping(let id): withWorker(id) { $0.saidStopping($1, in: $2) }
        case .extendTimeout(let id, let time): withWorker(id) { $0.askedForTime($1, in: $2, time) }
        case .overMemory(let id): withWorker(id) { $0.exceedsMemory($1, in: $2) }
        case .emptied(let id): withWorker(id) { $0.endEmptying($1, in: $2) }
        case .exited(let id, let status, let leaves): withWorker(id) { $0.exited($1, in: $2, status, leaves: leaves) }
        case .leftoversGone(let id): leftoversGone(id)
        case .overslept: grantAllTimeAgain()
        case .takenOver: takenOver()
        case .deadline: break
        }
    }

    /// Does nothing for a worker that is gone.
    mutating func withWorker(_ id: WorkerID, _ body: (inout Pool, Slot.Role, Int) -> Void) {
        guard let slot = slotOfWorker[id], let role = slots[slot].role(of: id) else { return }
        body(&self, role, slot)
    }

    /// Does what follows from any event. Each pass either starts something or lets something expire for good. Starts
    /// are bounded by the surge and by the lingering limit, so the passes end.
    private mutating func settle() {
        repeat {
            expireDeadlines()
            advanceRoll()
            advanceRecycle()
        } while nextDeadline.map { $0 <= now } ?? false
        announceReadiness()
        releaseUnusedGenerations()
        finishIfEmpty()
    }

    private mutating func announceReadiness() {
        guard !hasBeenReady, phase == .running, totals.serving == policy.workers else { return }
        hasBeenReady = true
        report(.ready(workers: policy.workers, after: now - startedAt))
    }

    /// After a stop nothing needs to be released: the daemon ends.
    private mutating func releaseUnusedGenerations() {
        guard phase == .running || phase == .drained else { return }
        settled.keep(policy.generationsKept)
        let target = roll?.target
        let kept = settled.kept
        while let unused = generations.removeUnused(isKept: { $0 == target || kept.contains($0) }) {
            emit(.release(generation: unused))
        }
    }

    // MARK: bookkeeping

    mutating func emit(_ effect: Effect) { effects.append(effect) }

    mutating func report(_ report: PoolReport) { emit(.report(.pool(report))) }

    mutating func report(_ report: RollReport) { emit(.report(.roll(report))) }

    mutating func report(_ what: RecycleReport.What, of slot: Int, _ reason: RecycleReason) {
        emit(.report(.recycle(RecycleReport(slot: slot, reason: reason, what: what))))
    }

    mutating func report(_ what: WorkerReport.What, of worker: Worker, in slot: Int) {
        report(what, of: worker.id, of: worker.generation, in: slot)
    }

    mutating func report(_ what: WorkerReport.What, of left: Leftovers, in slot: Int) {
        report(what, of: left.id, of: left.generation, in: slot)
    }

    private mutating func report(_ what: WorkerReport.What, of id: WorkerID, of generation: Int, in slot: Int) {
        emit(.report(.worker(WorkerReport(id: id, slot: slot, generation: generation, what: what))))
    }

    // MARK: slots

    /// The only way to change a slot: keeps the sums, the ledger and the deadlines up to date. O(log n).
    mutating func change(_ slot: Int, _ body: (inout Slot) -> Void) {
        body(&slots[slot])
        refresh(slot)
    }

    private mutating func refresh(_ slot: Int) {
        changed.insert(slot)
        let tally = Tally(of: slots[slot])
        totals.exchange(slots[slot].tally, for: tally)
        slots[slot].tally = tally

        let generation = slot < policy.workers ? slots[slot].generation : nil
        if generation != slots[slot].countedGeneration {
            generations.move(from: slots[slot].countedGeneration, to: generation)
            slots[slot].countedGeneration = generation
        }
        deadlines.set(slot, to: slots[slot].deadline(soak: soak))
    }

    mutating func addSlot(_ slot: Slot) {
        changed.insert(slots.count)
        slots.append(slot)
    }

    private mutating func restore(_ restored: Slot) {
        var slot = restored
        slot.tally = Tally()
        slot.countedGeneration = nil
        slots.append(slot)
        for worker in slot.workers { slotOfWorker[worker.id] = slots.count - 1 }
        for left in slot.leftovers { slotOfLeftovers[left.id] = slots.count - 1 }
        refresh(slots.count - 1)
    }

    /// A retired slot stays until its last worker is gone, and as long as a retired slot above it stays.
    mutating func removeEmptySlots() {
        while slots.count > policy.workers, let last = slots.last, last.isEmpty {
            slots.removeLast()
            changed.insert(slots.count)
        }
    }

    /// The soak of the roll, or of a recycle.
    var soak: Duration { roll?.plan.soak ?? policy.soak }

    /// A policy within its bounds, whatever the user typed.
    static func bounded(_ policy: Policy) -> Policy {
        var policy = policy
        policy.workers = min(max(policy.workers, 1), Policy.workersMax)
        policy.generationsKept = max(policy.generationsKept, 1)
        return policy
    }
}
