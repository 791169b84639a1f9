/// A rolling restart under way: its target, and the slot to look at next.
public struct Roll: Codable, Equatable, Sendable {
    public enum Direction: Codable, Equatable, Sendable {
        case forward
        /// The roll to `failed` failed; `target` is the base that it started from.
        case revert(failed: Int)
    }

    public let direction: Direction
    /// The generation that every slot is to serve.
    public let target: Int
    public let plan: RollPlan
    public let startedAt: Instant

    /// The roll takes no more slots than this canary has. nil: there is no canary, or it was promoted.
    public internal(set) var canary: Canary?
    /// When the canary became complete and began to wait for its promotion.
    public internal(set) var waitsSince: Instant?
    /// The number of replacements that failed and are, or were, retried.
    public internal(set) var failures = 0

    /// Slots below the cursor have had their turn, unless `reconsider` says otherwise.
    private(set) var cursor = 0

    init(_ direction: Direction, to target: Int, by plan: RollPlan, startedAt: Instant) {
        self.direction = direction
        self.target = target
        self.plan = plan
        self.startedAt = startedAt
        canary = plan.canary
        timesOutAt = plan.timeout.map { startedAt + $0 }
    }

    public var isRevert: Bool {
        switch direction {
        case .forward: false
        case .revert: true
        }
    }

    /// A roll that is not done by then has failed.
    public internal(set) var timesOutAt: Instant?

    /// When the canary promotes itself.
    public var promotesAt: Instant? {
        guard let waitsSince, let time = canary?.time else { return nil }
        return waitsSince + time
    }

    /// The slot may have a turn (again).
    mutating func reconsider(_ slot: Int) { cursor = min(cursor, slot) }

    mutating func step() -> Int {
        defer { cursor += 1 }
        return cursor
    }
}

/// How one roll differs from what the policy says about all rolls. The roll's revert keeps to `surge` and `soak`, and
/// needs nothing of the rest.
public struct RollPlan: Codable, Equatable, Sendable {
    /// How many replacements are in flight at once, at least 1; nil: as the policy says.
    public var surge: Int?
    /// How long a replacement must stay ready before its old worker is asked to finish; nil: as the policy says.
    public var soak: Duration?
    /// nil: the roll goes through all slots without a stop.
    public var canary: Canary?
    /// How many replacements may fail and are retried after their slot's backoff; one more fails the roll.
    public var maxFailures = 0
    /// A roll that is not done this long after it began has failed; nil: it may take for ever. A roll that is paused,
    /// or whose canary waits, is not done.
    public var timeout: Duration?

    public init() {}

    var ofRevert: RollPlan {
        var plan = RollPlan()
        plan.surge = surge
        plan.soak = soak
        return plan
    }
}

/// The first slots of a roll, on trial: until they are promoted no further slot is taken, and if one of their new
/// workers ends, the roll fails.
public struct Canary: Codable, Equatable, Sendable {
    /// At least 1. If the pool has no more slots than this, all of them: the roll is then done when the canary is
    /// promoted.
    public var slots: Int
    /// The canary promotes itself when it has waited this long; nil: only `Event.promote` promotes it.
    public var time: Duration?

    public init(slots: Int, time: Duration? = nil) {
        self.slots = slots
        self.time = time
    }
}
