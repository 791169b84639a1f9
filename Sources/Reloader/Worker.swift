/// One process, from the moment when its spawn is asked for until its exit is seen.
public struct Worker: Equatable, Sendable {
    /// `EXTEND_TIMEOUT_USEC=` moves a start's or a drain's deadline to at most this long after the start or the drain
    /// began, so that no worker can hold up a roll or a stop for ever.
    public static let extensionMax = Duration.seconds(3600)

    public let id: WorkerID
    public let generation: Int
    /// When its spawn was asked for.
    public let startedAt: Instant
    public internal(set) var state: WorkerState
    /// A process is known to be there. Until then signals are owed, not sent.
    public internal(set) var isSpawned = false
    /// The watchdog interval that it was started under: a later policy cannot make it ping faster.
    let watchdog: Duration?

    init(id: WorkerID, generation: Int, startedAt: Instant, policy: Policy) {
        self.id = id
        self.generation = generation
        self.startedAt = startedAt
        watchdog = policy.watchdog
        switch policy.readiness {
        case .message:
            state = .starting(deadline: startedAt + policy.readyTimeout, readyAt: nil)
        case .after(let age):
            // It says nothing in this mode, so an age beyond the ready timeout must not be held against it.
            state = .starting(deadline: startedAt + max(age, policy.readyTimeout), readyAt: startedAt + age)
        }
    }
}
