/// A worker that is being replaced by a new one of its own generation. There is at most one in the whole pool, and none
/// during a roll.
public struct Recycle: Equatable, Sendable {
    public let slot: Int
    public let reason: RecycleReason
    public let startedAt: Instant
}

public enum RecycleReason: Equatable, Sendable {
    /// It has served for `Policy.maxAge`.
    case age
    /// The runtime says that the worker uses too much memory.
    case memory
    /// The worker has been silent for its watchdog's interval. It is killed when the new one serves, unless it is heard
    /// from before that.
    case watchdog
    /// Somebody asked for it (`Event.restart`).
    case asked
}
