/// The rolling restart at work: where the slots go, and which of them to look at next.
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

    /// The roll takes no more slots than these. nil: there is none, or it was promoted.
    public internal(set) var canary: Canary?
    /// The canary is complete since then, and waits to be promoted.
    public internal(set) var waitsSince: Instant?
    /// Replacements that failed and are, or were, tried again.
    public internal(set) var failures = 0

    /// Slots below it have had their turn, unless `reconsider` says otherwise.
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

    /// Not done then, it has failed.
    public internal(set) var timesOutAt: Instant?

    /// The canary promotes itself then.
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
