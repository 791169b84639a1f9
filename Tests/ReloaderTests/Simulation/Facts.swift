import Reloader

/// What the monitor knows of one worker, from events and effects alone.
struct Facts {
    let id: WorkerID
    let slot: Int
    let generation: Int
    let startedAt: Instant
    /// The policy of its start: its readiness, ready timeout and watchdog are those.
    let policy: Policy
    /// It was started to bring its slot to the roll's goal, or to recycle it, and has neither done so nor failed.
    var isInFlight: Bool

    var isAnswered = false
    var isGone = false
    var readySince: Instant?
    var lastSign: Instant
    /// It was to be emptied, now or once.
    var wasEmptied = false
    /// When it must get its stop signal at the latest; nil: it is not being emptied.
    var emptyUntil: Instant?
    var terminatedAt: Instant?
    var saidStopping = false
    var killedAt: Instant?
    /// It no longer belongs to what its slot starts or serves with.
    var hasLeft = false
    /// It was let go before it was known to run: when exactly its time is up, only the pool knows.
    var isVague = false
    /// When it must have been killed, from its stop signal on; when it must be ready, before.
    var limit: Instant
    /// When its age makes it ready.
    var oldEnoughAt: Instant?
    /// It listens on some of the ports that are expected of it, and they must be counted then.
    var portsCountedAt: Instant?
    /// They are, since then, and none has come since.
    var isCounted = false
    /// It served its slot when it was found silent for its watchdog's time, and has not been heard since.
    var hungSince: Instant?
    /// The runtime said that it takes too much memory while it served.
    var isOverMemory = false
    /// It did so soon after it was ready, as the one before it did: it is to be recycled then.
    var memoryAt: Instant?

    init(id: WorkerID, slot: Int, generation: Int, startedAt: Instant, policy: Policy, isInFlight: Bool) {
        self.id = id
        self.slot = slot
        self.generation = generation
        self.startedAt = startedAt
        self.policy = policy
        self.isInFlight = isInFlight
        lastSign = startedAt
        limit = startedAt + policy.readyTimeout
    }

    /// Its spawn is answered, or a word of it came.
    mutating func live(at now: Instant) {
        isAnswered = true
        guard case .after(let age) = policy.readiness, isActive else { return }
        oldEnoughAt = now + age
        limit = max(limit, now + age)
    }

    /// The earliest and the latest time for it to be due for its age; nil: never.
    var ageLimits: (earliest: Instant, latest: Instant)? {
        guard let maxAge = policy.maxAge, let readySince else { return nil }
        let tenth = Duration.nanoseconds(maxAge.nanoseconds / 10)
        return (readySince + (maxAge - tenth), readySince + (maxAge + tenth))
    }

    func isSilent(at now: Instant) -> Bool { policy.watchdog.map { lastSign + $0 <= now } ?? false }

    /// Ports may make it ready.
    var awaitsPorts: Bool { isActive && readySince == nil && policy.readiness == .listening }

    /// It serves its slot, and must be recycled.
    func isOverdue(at now: Instant) -> Bool {
        guard isReady, !isInFlight else { return false }
        return takesTooMuch(at: now) || hungSince != nil || ageLimits.map { $0.latest <= now } ?? false
    }

    func takesTooMuch(at now: Instant) -> Bool { isOverMemory || memoryAt.map { $0 <= now } ?? false }

    /// Starting, ready, or killed by the watchdog and not yet gone.
    var isInOffice: Bool { !isGone && !hasLeft }
    var isActive: Bool { isInOffice && killedAt == nil }
    var isReady: Bool { isActive && readySince != nil }
    var lingers: Bool { !isGone && hasLeft }
    var isBeingEmptied: Bool { !isGone && killedAt == nil && emptyUntil != nil }
}
