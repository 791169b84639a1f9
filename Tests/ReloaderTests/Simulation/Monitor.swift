import Reloader

/// An independent model of the pool: it is told each event and each effect, remembers facts, and holds the pool to
/// every invariant after every step. It knows the rules that the head of Pool.swift promises, and nothing about how the
/// pool keeps them.
///
/// A step: `observe` the event, `take` each effect, `judge` the whole.
struct Monitor {
    enum Phase: Equatable {
        case running
        case drained
        case stopping(StopMode, status: Int32)
        case finished
    }

    /// How far the roll has come, according to the reports.
    enum Course: Equatable {
        case none
        case forward(target: Int)
        case revert(failed: Int)
    }

    /// What the monitor knows about one slot.
    struct Seat {
        var generation: Int
        var failures = 0
        /// The number of recycles for memory in a row.
        var memoryRecycles = 0
        var restartAt: Instant?
        /// No replacement is started before this.
        var retryAt: Instant?

        mutating func forgetBackoff() {
            failures = 0
            restartAt = nil
            retryAt = nil
        }
    }

    /// A slot whose worker is being replaced by one of its own generation.
    struct Recycling {
        let slot: Int
        let reason: RecycleReason
        let beganAt: Instant
        var isStarted = false
    }

    var policy: Policy
    var phase = Phase.running
    var course = Course.none
    /// The generations that a rollback may go to; the pool is settled at the last one.
    var kept = [1]
    var bad: [Int] = []
    var newest = 1
    var isPaused = false
    /// The plan of the current roll, and of its revert.
    var plan = RollPlan()
    /// The slots on trial.
    var canary: Canary?
    var waitsSince: Instant?
    var rollFailures = 0
    var recycling: Recycling?
    var askedRestarts: [Int] = []
    var seats: [Seat]
    var workers: [Facts] = []
    /// Indices into `workers` of the workers that are not gone.
    var live: [Int] = []

    /// What the workers that are gone have left behind.
    var remains: [WorkerID: Remains] = [:]

    var released: Set<Int> = []
    var failureTimes: [Instant] = []
    var startedAt: Instant
    var stopAskedAt: Instant?
    var wasReady = false
    var anyAnswered = false
    /// When the current roll or recycle began.
    var rollBeganAt: Instant
    var rollTimesOutAt: Instant?
    var revertBeganAt: Instant
    var capacityAtBegin = 0
    var lost = 0
    var surgeMax = 0

    var step: Step

    /// What the current step has shown and still owes.
    struct Step {
        let event: Event
        let now: Instant
        /// Workers with higher numbers were started in this step.
        let startedBefore: Int
        var rollEnded = false
        var rollBegan = false
        /// A replacement took its slot before its soak was over. Only the end of its roll (for a recycle: the beginning
        /// of a roll) excuses that.
        var promotedEarly = false
        /// What the next effect must be: the first effect that a worker's drain has on it.
        var announced: Effect?
        var announcedKill: WorkerID?
        var firstAnswer: WorkerID?
        /// Workers that lingered in these slots are gone.
        var relievedSlots: Set<Int> = []
        /// What was asked for and has no answer or end yet: a daemon has taken over, and must be asked again.
        var owedAgain: [Effect] = []
        var owedExit: WorkerID?
        /// This worker has left processes behind, which must be told to end, or killed.
        var owedLeftovers: WorkerID?
        var exitExpected = false
        var owedFailure: WorkerID?
        var owedReady: WorkerID?
        var owedStopping: WorkerID?
        /// Nothing is left to take from this worker: its stop signal must come.
        var owedStopSignal: WorkerID?
        var owedBackoffs: [Int] = []
        var owedRetries: [Int] = []
        var owedRollFailure: WorkerID?
        var owedRecycleFailure: WorkerID?
        /// Workers that were found silent in this step, although its event may have come first.
        var foundSilent: Set<WorkerID> = []
        /// This worker was killed as hung: its failure must be reported, and its replacement takes its slot.
        var owedSilence: WorkerID?
        var killedAsHung: Int?
        /// The target of a rollback.
        var owedRoll: Int?
        var owedRefusal: Refusal?
        /// This worker uses too much memory from its start.
        var owedSparing: WorkerID?
        var owedWord: Report?
        var owedGiveUp = false
        var scaledFrom: Int?
    }

    init(policy: Policy, now: Instant) {
        self.policy = policy
        seats = Array(repeating: Seat(generation: 1), count: policy.workers)
        startedAt = now
        rollBeganAt = now
        revertBeganAt = now
        step = Step(event: .start, now: now, startedBefore: 0)
    }

    var now: Instant { step.now }
    var size: Int { policy.workers }
    var settled: Int { kept[kept.count - 1] }
    var soak: Duration { course == .none ? policy.soak : plan.soak ?? policy.soak }
    var surge: Int { max(1, min(plan.surge ?? policy.surge ?? (size + 3) / 4, size)) }

    /// The generation that the slots are being brought to.
    var goal: Int {
        switch course {
        case .none, .revert: settled
        case .forward(let target): target
        }
    }

    var isReverting: Bool {
        switch course {
        case .none, .forward: false
        case .revert: true
        }
    }

    func require(_ holds: Bool, _ invariant: Invariant, _ what: @autoclosure () -> String) throws(Violation) {
        if !holds { throw Violation(invariant, what()) }
    }

    func index(of id: WorkerID) -> Int? {
        let index = Int(id.number) - 1
        return workers.indices.contains(index) ? index : nil
    }

    func known(_ id: WorkerID, _ slot: Int, _ generation: Int) throws(Violation) -> Int {
        guard let index = index(of: id), workers[index].slot == slot, workers[index].generation == generation else {
            throw Violation(.story, "\(id) in slot \(slot) of generation \(generation) is reported but is not there")
        }
        return index
    }

    func any(in slot: Int, _ holds: (Facts) -> Bool) -> Bool {
        live.contains { workers[$0].slot == slot && holds(workers[$0]) }
    }

    func count(_ holds: (Facts) -> Bool) -> Int {
        live.reduce(0) { $0 + (holds(workers[$1]) ? 1 : 0) }
    }

    var isForward: Bool { course != .none && !isReverting }
    var slotsAtGoal: Int { seats.reduce(0) { $0 + ($1.generation == goal ? 1 : 0) } }
    var inFlight: Int { count { $0.isInFlight && $0.isInOffice } }
    var canarySize: Int { min(max(canary?.slots ?? size, 1), size) }

    /// How many more slots the roll may take.
    var room: Int {
        guard isForward else { return size }
        return isPaused ? 0 : canary == nil ? size : canarySize - slotsAtGoal - inFlight
    }

    func isCrowded(_ slot: Int) -> Bool { lingering(in: slot) >= Policy.lingeringMax }

    func lingering(in slot: Int) -> Int { count { $0.slot == slot && $0.lingers } + remains(of: slot) }

    func remains(of slot: Int) -> Int { remains.values.count { $0.slot == slot } }

    /// The number of slots whose own worker is ready, or whose replacement soaks.
    var serving: Int {
        (0..<size).reduce(0) { sum, slot in sum + (any(in: slot) { $0.isReady } ? 1 : 0) }
    }
}
