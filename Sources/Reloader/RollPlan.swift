/// How one roll differs from what the policy says about all rolls. The roll's revert keeps to `surge` and `soak`, and
/// needs nothing of the rest.
public struct RollPlan: Equatable, Sendable {
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
public struct Canary: Equatable, Sendable {
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
