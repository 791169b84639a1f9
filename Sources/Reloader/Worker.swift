/// One process, from the moment when its spawn is asked for until its exit is seen.
public struct Worker: Equatable, Sendable {
    /// `EXTEND_TIMEOUT_USEC=` moves a start's or a drain's deadline to at most this long after the start or the drain
    /// began, so that no worker can hold up a roll or a stop for ever.
    public static let extensionMax = Duration.seconds(3600)

    public let id: WorkerID
    public let generation: Int
    /// When its spawn was asked for.
    public let startedAt: Instant
    public internal(set) var state: WorkerState
    /// A process is known to be there. Until then signals are owed, not sent.
    public internal(set) var isSpawned = false
    /// The watchdog interval that it was started under: a later policy cannot make it ping faster.
    let watchdog: Duration?
    /// Why it is to be replaced by another of its generation: its age, its memory, or its silence.
    public internal(set) var recycleReason: RecycleReason?
    /// It takes too much memory, and so would another: it is to be replaced then.
    public internal(set) var memoryAt: Instant?
    /// How long it may be ready; nil: for ever.
    private let ageMax: Duration?
    let readiness: Readiness

    init(id: WorkerID, generation: Int, startedAt: Instant, policy: Policy, ageMax: Duration?) {
        self.id = id
        self.generation = generation
        self.startedAt = startedAt
        watchdog = policy.watchdog
        self.ageMax = ageMax
        readiness = policy.readiness
        state = .starting(deadline: startedAt + policy.readyTimeout, awaiting: .word)
    }

    /// It serves, and is to be recycled.
    var isOverdue: Bool { recycleReason != nil && state.isReady }

    /// It missed its watchdog, and has not been heard since.
    var isHung: Bool { recycleReason == .watchdog && state.isReady }

    /// Its time is over in which it was spared though it takes too much memory; not while it is hung.
    var sparedUntil: Instant? { recycleReason == nil && state.isReady ? memoryAt : nil }

    /// It is old enough to be recycled then.
    var recycleAt: Instant? {
        guard let ageMax, recycleReason == nil, case .ready(let since, _) = state else { return nil }
        return since + ageMax
    }

    /// Its spawn is answered: it lives. Where it becomes ready by its age, it says nothing, so an age beyond the ready
    /// timeout is not held against it.
    mutating func beginToLive(at now: Instant) {
        isSpawned = true
        if case .after(let age) = readiness, case .starting(let deadline, _) = state {
            state = .starting(deadline: max(deadline, now + age), awaiting: .age(now + age))
        }
    }

    /// At its own request, to start or to drain.
    mutating func extendTime(by time: Duration, at now: Instant) {
        switch state {
        case .starting(let deadline, let awaited):
            let extended = min(now + time, startedAt + Self.extensionMax)
            state = .starting(deadline: max(deadline, extended), awaiting: awaited)
        case .draining(let since, let killAt, let reason):
            let extended = min(now + time, since + Self.extensionMax)
            state = .draining(since: since, killAt: max(killAt, extended), reason)
        case .ready, .emptying, .killed: break
        }
    }

    /// What would fail or kill it waits as long as at its begin, or as long as it would have anyway.
    mutating func grantTimeAgain(under policy: Policy, at now: Instant) {
        switch state {
        case .starting(let deadline, let awaited):
            var least = now + policy.readyTimeout
            if case .age(let instant) = awaited { least = max(least, instant) }
            state = .starting(deadline: max(deadline, least), awaiting: awaited)
        case .ready(let since, let watchdogAt):
            state = .ready(since: since, watchdogAt: watchdogAt.map { max($0, now + (watchdog ?? .zero)) })
        case .emptying(let since, let stopAt, let reason):
            guard case .outside(let timeout) = policy.drain else { return }
            state = .emptying(since: since, stopAt: max(stopAt, now + timeout), reason)
        case .draining(let since, let killAt, let reason):
            state = .draining(since: since, killAt: max(killAt, now + policy.stopTimeout), reason)
        case .killed: break
        }
    }
}
