/// The processes that a worker has started and that outlive it, treated as one. Only the runtime knows which they are.
public struct Leftovers: Equatable, Sendable {
    /// The worker that left them behind. It is gone.
    public let id: WorkerID
    public let generation: Int
    /// When they are killed if they are still there. nil: they have been killed.
    public internal(set) var killAt: Instant?

    mutating func grantTimeAgain(under policy: Policy, at now: Instant) {
        killAt = killAt.map { max($0, now + policy.stopTimeout) }
    }
}
