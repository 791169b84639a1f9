/// Identifies one worker for the daemon's whole life: never reused, unlike a PID. Counted up from 1.
public struct WorkerID: Codable, Hashable, Comparable, Sendable, CustomStringConvertible {
    public let number: UInt64

    public init(number: UInt64) { self.number = number }

    public static func < (left: WorkerID, right: WorkerID) -> Bool { left.number < right.number }
    public var description: String { "worker#\(number)" }

    public init(from decoder: any Decoder) throws {
        number = try decoder.singleValueContainer().decode(UInt64.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(number)
    }
}

/// One process, from the moment its spawn is asked for until its exit is seen.
public struct Worker: Codable, Equatable, Sendable {
    /// `EXTEND_TIMEOUT_USEC=` moves the deadline of a start or a drain to at most this long after it began, so that no
    /// worker can hold up a roll or a stop for ever.
    public static let extensionMax = Duration.seconds(3600)

    public let id: WorkerID
    public let generation: Int
    /// When its spawn was asked for.
    public let startedAt: Instant
    public internal(set) var state: WorkerState
    /// The process is known to run. Until then signals are owed, not sent.
    public internal(set) var isSpawned = false
    /// The watchdog interval that the worker was started under: a later policy cannot make it ping faster.
    let watchdog: Duration?
    /// Why the worker is to be replaced by another of its generation: its age, its memory, or its silence.
    public internal(set) var recycleReason: RecycleReason?
    /// When the worker is to be replaced because it uses too much memory. It is not replaced at once, because another
    /// worker would use as much.
    public internal(set) var memoryAt: Instant?
    /// How long the worker may be ready; nil: for ever.
    let ageMax: Duration?
    let readiness: Readiness

    init(id: WorkerID, generation: Int, startedAt: Instant, policy: Policy, ageMax: Duration?) {
        self.id = id
        self.generation = generation
        self.startedAt = startedAt
        watchdog = policy.watchdog
        self.ageMax = ageMax
        readiness = policy.readiness
        state = .starting(deadline: startedAt + policy.readyTimeout, awaiting: .word)
    }

    /// The worker serves and is to be recycled.
    var isOverdue: Bool { recycleReason != nil && state.isReady }

    /// The worker missed its watchdog and has not been heard from since.
    var isHung: Bool { recycleReason == .watchdog && state.isReady }

    /// Until when the worker is spared although it uses too much memory; nil if it is to be recycled already.
    var sparedUntil: Instant? { recycleReason == nil && state.isReady ? memoryAt : nil }

    /// When the worker is old enough to be recycled.
    var recycleAt: Instant? {
        guard let ageMax, recycleReason == nil, case .ready(let since, _) = state else { return nil }
        return since + ageMax
    }

    /// The spawn is answered: the worker lives. A worker that becomes ready by its age says nothing, so an age beyond
    /// the ready timeout is not held against it.
    mutating func beginToLive(at now: Instant) {
        isSpawned = true
        if case .after(let age) = readiness, case .starting(let deadline, _) = state {
            state = .starting(deadline: max(deadline, now + age), awaiting: .age(now + age))
        }
    }

    /// Extends a start or a drain at the worker's own request.
    mutating func extendTime(by time: Duration, at now: Instant) {
        switch state {
        case .starting(let deadline, let awaited):
            let extended = min(now + time, startedAt + Self.extensionMax)
            state = .starting(deadline: max(deadline, extended), awaiting: awaited)
        case .draining(let since, let killAt, let reason):
            let extended = min(now + time, since + Self.extensionMax)
            state = .draining(since: since, killAt: max(killAt, extended), reason)
        case .ready, .emptying, .killed: break
        }
    }

    /// Every wait that could fail or kill the worker is as long again as at its beginning, or as long as it would have
    /// been anyway.
    mutating func grantTimeAgain(under policy: Policy, at now: Instant) {
        switch state {
        case .starting(let deadline, let awaited):
            var least = now + policy.readyTimeout
            if case .age(let instant) = awaited { least = max(least, instant) }
            state = .starting(deadline: max(deadline, least), awaiting: awaited)
        case .ready(let since, let watchdogAt):
            state = .ready(since: since, watchdogAt: watchdogAt.map { max($0, now + (watchdog ?? .zero)) })
        case .emptying(let since, let stopAt, let reason):
            guard case .outside(let timeout) = policy.drain else { return }
            state = .emptying(since: since, stopAt: max(stopAt, now + timeout), reason)
        case .draining(let since, let killAt, let reason):
            state = .draining(since: since, killAt: max(killAt, now + policy.stopTimeout), reason)
        case .killed: break
        }
    }
}
