/// What makes a worker ready that starts, besides its ready message.
///
/// ```
/// word ──listens on all──▶ (ready)            word ──Readiness.after──▶ age ──lived that long──▶ (ready)
///  │ ▲                        ▲
///  │ └────────none left───────┼──────┐
///  └──listens on some──▶ ports ──▶ count ──listens still──▶ (ready)
///                         ▲  │       │
///                         └──┴───────┴── listens on another
/// ```
public enum Awaited: Equatable, Sendable {
    /// Nothing; or, if listening makes it ready, its first port.
    case word
    /// It has lived long enough then.
    case age(Instant)
    /// It listens on some of the ports that are expected of it. They are counted then.
    case ports(Instant)
    /// Its ports are being counted.
    case count
}

/// Where a worker is in its life, with what is known and waited for there, and nothing else.
///
/// ```
/// starting ──▶ ready ──▶ emptying ──▶ draining ──▶ killed ──▶ (exited: no longer in the pool)
///     │          ├────────────────────▲             ▲
///     │          └───────(watchdog)─────────────────┘
///     └───────────────────▶ draining
/// ```
/// Emptying is done from outside (`Drain.outside`), to workers that are ready and have not said that they end; draining is
/// what a worker does itself, after its stop signal or of its own accord. Emptying is left once: when nothing is left to
/// take, when its time is up, or when the worker says that it ends. No watchdog runs in it, and no word prolongs it.
/// A fast stop kills from any state; an exit may come in any state.
public enum WorkerState: Equatable, Sendable {
    /// `deadline`: not ready then, it has failed to start. Its ready message makes it ready, and what it is `awaiting`.
    case starting(deadline: Instant, awaiting: Awaited)
    /// `watchdogAt`: still silent then, it is killed.
    case ready(since: Instant, watchdogAt: Instant?)
    /// Its connections are being taken from it, and it has not been told. `stopAt`: not empty then, it gets its stop signal
    /// all the same.
    case emptying(since: Instant, stopAt: Instant, DrainReason)
    /// It has been asked to finish, or said that it does. `since`: emptying counts in. `killAt`: still there then, it is
    /// killed.
    case draining(since: Instant, killAt: Instant, DrainReason)
    /// SIGKILL is sent or owed; only its exit is waited for. `readySince`: it was killed as a ready worker (watchdog).
    case killed(readySince: Instant?)

    /// When this state ends by itself, whatever the worker's role.
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

    /// Since when it has served, or had served when it was killed. nil: it never did, or it was asked to finish.
    var readySince: Instant? {
        switch self {
        case .ready(let since, _): since
        case .killed(let since): since
        case .starting, .emptying, .draining: nil
        }
    }
}
