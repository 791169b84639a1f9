/// Processes that a worker has started and that outlive it, as one: what they are, only the runtime knows.
public struct Leftovers: Equatable, Sendable {
    /// The worker's. It is gone.
    public let id: WorkerID
    public let generation: Int
    /// Still there then, they are killed. nil: they have been.
    public internal(set) var killAt: Instant?

    mutating func grantTimeAgain(under policy: Policy, at now: Instant) {
        killAt = killAt.map { max($0, now + policy.stopTimeout) }
    }
}
