/// What makes a starting worker ready, besides its ready message.
///
/// ```
/// word ──listens on all──▶ (ready)            word ──Readiness.after──▶ age ──lived that long──▶ (ready)
///  │ ▲                        ▲
///  │ └────────none left───────┼──────┐
///  └──listens on some──▶ ports ──▶ count ──listens still──▶ (ready)
///                         ▲  │       │
///                         └──┴───────┴── listens on another
/// ```
public enum Awaited: Codable, Equatable, Sendable {
    /// Nothing else; or its first port, if listening makes the worker ready.
    case word
    /// The instant at which the worker has lived long enough.
    case age(Instant)
    /// The worker listens on some of the ports that are expected of it. They are counted at this instant.
    case ports(Instant)
    /// The worker's ports are being counted.
    case count
}

/// The state of a worker, with what is known and awaited in it, and nothing else.
///
/// ```
/// starting ──▶ ready ──▶ emptying ──▶ draining ──▶ killed ──▶ (exited: no longer in the pool)
///     │          ├────────────────────▲             ▲
///     │          └───────(watchdog)─────────────────┘
///     └───────────────────▶ draining
/// ```
/// Emptying is done from outside (`Drain.outside`), to workers that are ready and have not said that they are ending.
/// Draining is what a worker does itself, after its stop signal or of its own accord. Emptying ends when nothing is
/// left to take, when its time is up, or when the worker says that it is ending; it never resumes. No watchdog runs in
/// it, and no request of the worker prolongs it. A fast stop kills from any state, and an exit may come in any state.
public enum WorkerState: Codable, Equatable, Sendable {
    /// `deadline`: a worker that is not ready by then has failed to start. Its ready message makes it ready, and so
    /// does what it is `awaiting`.
    case starting(deadline: Instant, awaiting: Awaited)
    /// `watchdogAt`: a worker that is still silent then is killed.
    case ready(since: Instant, watchdogAt: Instant?)
    /// The worker's connections are being taken from it, and it has not been told. `stopAt`: if it is not empty by
    /// then, it gets its stop signal all the same.
    case emptying(since: Instant, stopAt: Instant, DrainReason)
    /// The worker has been asked to finish, or has said that it is finishing. `since` includes the time of emptying.
    /// `killAt`: a worker that is still there then is killed.
    case draining(since: Instant, killAt: Instant, DrainReason)
    /// SIGKILL is sent or owed; only the exit is awaited. `readySince`: set if the worker was ready when it was killed
    /// (by the watchdog).
    case killed(readySince: Instant?)

    /// When this state ends of its own accord, whatever the worker's role.
    var deadline: Instant? {
        switch self {
        case .starting(let deadline, .age(let instant)), .starting(let deadline, .ports(let instant)):
            min(deadline, instant)
        case .starting(let deadline, .word), .starting(let deadline, .count): deadline
        case .ready(_, let watchdogAt): watchdogAt
        case .emptying(_, let stopAt, _): stopAt
        case .draining(_, let killAt, _): killAt
        case .killed: nil
        }
    }

    public var isReady: Bool {
        switch self {
        case .ready: true
        case .starting, .emptying, .draining, .killed: false
        }
    }

    var isKilled: Bool {
        switch self {
        case .killed: true
        case .starting, .ready, .emptying, .draining: false
        }
    }

    /// Since when the worker has served, or had served when it was killed. nil: it never did, or it was asked to
    /// finish.
    var readySince: Instant? {
        switch self {
        case .ready(let since, _): since
        case .killed(let since): since
        case .starting, .emptying, .draining: nil
        }
    }
}
