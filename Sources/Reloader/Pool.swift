// The decision core of reloaderd. What it guarantees, whatever its workers do:
//
// 1. A roll never lowers capacity: the number of ready workers does not drop below what it was when the roll began,
//    but for workers that crash (or that a smaller pool has no slot for).
// 2. Never more than n + surge workers are starting or ready; at most `Policy.lingeringMax` + 1 a slot are draining.
// 3. In a roll a ready worker is emptied or asked to finish only when its slot has another that serves: for the old one
//    its ready and soaked replacement; for a replacement that is abandoned the old one.
// 4. A worker is emptied at most once, then gets at most one stop signal, then at most one SIGKILL, none after its exit
//    was seen, and each exit is seen once.
// 5. Delays follow the backoff formula; no slot is ever started twice at the same time in the same role.
// 6. When workers are healthy again and no command is pending, the pool settles: n ready workers of one generation, and
//    no timer armed but watchdogs.
// 7. After a stop no worker is started, and the daemon ends when the last worker has.
// 8. After a failed roll every slot serves the generation that it served before.
//
// The contract of the loop: one event in, all effects out, then wait for the next event or `nextDeadline`, whichever
// comes first. Nothing here reads a clock, draws a random number that the seed did not fix, or touches a process.
//
// Where to look: Pool+Commands (what people ask), Pool+News (what workers do), Pool+Deadlines (what time does),
// Pool+Starts and Pool+Endings (the only places that start and end workers), Pool+Failures (backoff), Pool+Roll.

/// All slots, and every rule about them: a state machine that turns events into effects.
public struct Pool: Sendable {
    public enum Phase: Equatable, Sendable {
        case notStarted
        case running
        /// All drained, nothing is started until the next reload.
        case drained
        /// The daemon ends with `status` once no worker is left.
        case stopping(StopMode, status: Int32)
        case finished
    }

    /// Its `workers` is n, the number of slots.
    public internal(set) var policy: Policy
    public internal(set) var phase = Phase.notStarted
    /// 0 ..< n; beyond them slots of a once larger pool, until their last worker is gone.
    public internal(set) var slots: [Slot] = []
    public internal(set) var roll: Roll?
    /// The last generation that a roll brought to every slot (or the first); a failed roll goes back to it.
    public internal(set) var settledGeneration = 1
    /// Sums over all slots.
    public internal(set) var totals = Tally()

    var generations = GenerationLedger()
    var deadlines = DeadlineQueue()
    var history = FailureHistory()
    var random: RandomNumbers
    /// The slot of every worker that is not yet gone.
    var slotOfWorker: [WorkerID: Int] = [:]
    var lastWorkerNumber: UInt64 = 0
    var startedAt = Instant(nanoseconds: 0)
    /// Some worker's program was executed at least once: a missing program is then no longer the user's typing error.
    var hasSpawned = false
    var hasBeenReady = false

    /// The time of the event at hand.
    var now = Instant(nanoseconds: 0)
    /// What is to be done about it: the caller's array, while the event is handled.
    var effects: [Effect] = []

    /// `seed` decides all jitter: the same seed and events give the same effects.
    public init(policy: Policy, seed: UInt64) {
        self.policy = Self.bounded(policy)
        random = RandomNumbers(seed: seed)
    }

    /// When to send `Event.deadline`, if nothing comes before. nil: nothing is waited for. Always later than the last
    /// event's `now`. O(1).
    public var nextDeadline: Instant? { deadlines.earliest?.deadline }

    /// Workers whose exit has not been seen, in whatever state; spawns that are not yet answered among them. O(1).
    public var workersAlive: Int { slotOfWorker.count }

    /// The worker takes new requests: it is ready, and nobody has asked it to finish. O(1).
    public func isServing(_ id: WorkerID) -> Bool {
        guard let slot = slotOfWorker[id], let role = slots[slot].role(of: id) else { return false }
        return slots[slot][role]?.state.isReady ?? false
    }

    /// The newest generation that was asked for.
    public var newestGeneration: Int { generations.newest }

    /// Slots that serve the roll's target (all of them without a roll). O(1).
    public var slotsReplaced: Int {
        roll.map { generations.slots(at: $0.target) } ?? policy.workers
    }

    /// Appends what `event` calls for, to be carried out in order. `now` never goes back. Late or unexpected news of
    /// workers is normal, and ignored.
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
        case .reload(let generation, let policy): reload(to: generation, under: policy)
        case .scale(let change): scale(change)
        case .drainAll: drainAll()
        case .stop(let mode): stop(mode)
        case .spawned(let id): withWorker(id) { $0.confirmSpawned($1, in: $2) }
        case .spawnFailed(let id, let failure): withWorker(id) { $0.spawnFailed($1, in: $2, failure) }
        case .ready(let id): withWorker(id) { $0.saidReady($1, in: $2) }
        case .heartbeat(let id): withWorker(id) { $0.saidAlive($1, in: $2) }
        case .stopping(let id): withWorker(id) { $0.saidStopping($1, in: $2) }
        case .extendTimeout(let id, let time): withWorker(id) { $0.askedForTime($1, in: $2, time) }
        case .drained(let id): withWorker(id) { $0.endEmptying($1, in: $2) }
        case .exited(let id, let status): withWorker(id) { $0.exited($1, in: $2, status) }
        case .deadline: break
        }
    }

    /// Does nothing for a worker that is gone.
    private mutating func withWorker(_ id: WorkerID, _ body: (inout Pool, Slot.Role, Int) -> Void) {
        guard let slot = slotOfWorker[id], let role = slots[slot].role(of: id) else { return }
        body(&self, role, slot)
    }

    /// What follows from any event. Each pass either starts something or lets something expire for good; starts are
    /// bounded by the surge and by the lingering limit, so the passes end.
    private mutating func settle() {
        repeat {
            expireDeadlines()
            advanceRoll()
        } while deadlines.earliest.map { $0.deadline <= now } ?? false
        announceReadiness()
        releaseUnusedGenerations()
        finishIfEmpty()
    }

    private mutating func announceReadiness() {
        guard !hasBeenReady, phase == .running, totals.serving == policy.workers else { return }
        hasBeenReady = true
        report(.poolReady(workers: policy.workers, after: now - startedAt))
    }

    /// After a stop nothing needs to be let go of: the daemon ends.
    private mutating func releaseUnusedGenerations() {
        guard phase == .running || phase == .drained else { return }
        while let unused = generations.removeUnused(kept: settledGeneration, roll?.target) {
            emit(.release(generation: unused))
        }
    }

    // MARK: bookkeeping

    mutating func emit(_ effect: Effect) { effects.append(effect) }

    mutating func report(_ report: Report) { effects.append(.report(report)) }

    /// To be called after every change of a slot: keeps sums, ledger and deadlines true. O(log n).
    mutating func refresh(_ slot: Int) {
        let tally = Tally(of: slots[slot])
        totals.exchange(slots[slot].tally, for: tally)
        slots[slot].tally = tally

        let generation = slot < policy.workers ? slots[slot].generation : nil
        if generation != slots[slot].countedGeneration {
            generations.move(from: slots[slot].countedGeneration, to: generation)
            slots[slot].countedGeneration = generation
        }
        deadlines.set(slot, to: slots[slot].deadline(soak: policy.soak))
    }

    /// A policy that keeps its promises, whatever was typed.
    static func bounded(_ policy: Policy) -> Policy {
        var policy = policy
        policy.workers = min(max(policy.workers, 1), Policy.workersMax)
        return policy
    }
}
