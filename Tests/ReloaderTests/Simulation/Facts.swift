import Reloader

/// What the monitor knows about one worker, from events and effects alone.
struct Facts {
    let id: WorkerID
    let slot: Int
    let generation: Int
    let startedAt: Instant
    /// The policy at its start, which sets its readiness, its ready timeout and its watchdog.
    let policy: Policy
    /// It was started to bring its slot to the roll's goal or to recycle the slot, and has neither done so nor failed
    /// yet.
    var isInFlight: Bool

    var isAnswered = false
    var isGone = false
    var readySince: Instant?
    var lastSign: Instant
    /// It was ordered to be emptied, now or earlier.
    var wasEmptied = false
    /// When it must get its stop signal at the latest; nil: it is not being emptied.
    var emptyUntil: Instant?
    var terminatedAt: Instant?
    var saidStopping = false
    var killedAt: Instant?
    /// It is no longer one of the workers that its slot starts or serves with.
    var hasLeft = false
    /// It was let go before it was known to run: only the pool knows exactly when its time is up.
    var isVague = false
    /// Before its stop signal: when it must be ready. After it: when it must have been killed.
    var limit: Instant
    /// When its age makes it ready.
    var oldEnoughAt: Instant?
    /// When its ports must be counted: it listens on some of the ports that are expected of it.
    var portsCountedAt: Instant?
    /// Its ports have been counted, and no port has been added since.
    var isCounted = false
    /// When it was found silent for its watchdog's time while it served its slot. It has not been heard from since.
    var hungSince: Instant?
    /// The runtime said that it uses too much memory while it served.
    var isOverMemory = false
    /// When it is to be recycled: it used too much memory soon after it was ready, as the one before it did.
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

    /// Its spawn was answered, or a word from it came.
    mutating func live(at now: Instant) {
        isAnswered = true
        guard case .after(let age) = policy.readiness, isActive else { return }
        oldEnoughAt = now + age
        limit = max(limit, now + age)
    }

    /// The earliest and the latest time at which its age makes it due; nil: never.
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

    /// It is starting, ready, or killed by the watchdog and not gone yet.
    var isInOffice: Bool { !isGone && !hasLeft }
    var isActive: Bool { isInOffice && killedAt == nil }
    var isReady: Bool { isActive && readySince != nil }
    var lingers: Bool { !isGone && hasLeft }
    var isBeingEmptied: Bool { !isGone && killedAt == nil && emptyUntil != nil }
}
