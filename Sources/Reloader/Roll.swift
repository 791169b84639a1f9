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
    public let startedAt: Instant

    /// Slots below it have had their turn, unless `reconsider` says otherwise.
    private(set) var cursor = 0

    init(_ direction: Direction, to target: Int, startedAt: Instant) {
        self.direction = direction
        self.target = target
        self.startedAt = startedAt
    }

    public var isRevert: Bool {
        switch direction {
        case .forward: false
        case .revert: true
        }
    }

    /// The slot may have a turn (again).
    mutating func reconsider(_ slot: Int) { cursor = min(cursor, slot) }

    mutating func step() -> Int {
        defer { cursor += 1 }
        return cursor
    }
}
