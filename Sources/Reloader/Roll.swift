/// A rolling restart under way: its target, and the slot to look at next.
public struct Roll: Equatable, Sendable {
    public enum Direction: Equatable, Sendable {
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
