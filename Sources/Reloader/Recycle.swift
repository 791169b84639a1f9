/// A worker on its way to be replaced by a new one of its own generation. At most one in the whole pool, and none during a
/// roll.
public struct Recycle: Equatable, Sendable {
    public let slot: Int
    public let reason: RecycleReason
    public let startedAt: Instant
}

public enum RecycleReason: Equatable, Sendable {
    /// It has served for `Policy.maxAge`.
    case age
    /// The runtime says that it takes too much memory.
    case memory
    /// It has been silent for its watchdog's interval. It is killed when the new one serves, unless it is heard until then.
    case watchdog
    /// Somebody asked (`Event.restart`).
    case asked
}
