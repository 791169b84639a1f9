// The time that the core lives in: the monotonic clock, without the time in which the daemon was held up (by SIGSTOP,
// by a busy machine). What workers have said meanwhile waits in their channels, and must count before the time that has
// passed: a worker that pinged is not silent because nobody could hear it.
internal import Reloader

/// Stands still just before a deadline that is due, until the news that waits has been heard; then goes on from there.
struct PoolClock {
    private var skipped = Duration.zero
    private var held: Instant?
    private var postponements = 0

    /// How many batches of news a due deadline waits for: a flood must not hold up time for ever.
    private static let postponementsMax = 32
    /// By how much the deadline was missed, when that was found out.
    private(set) var overslept = Duration.zero

    var isHeld: Bool { held != nil }

    /// Beyond that nobody can have run: a busy machine is late by less.
    static let longSleep = Duration.seconds(1)

    /// The time for an event that is no deadline.
    mutating func now(before deadline: Instant?) -> Instant {
        hold(before: deadline)
        return held ?? running
    }

    /// The time as it stands, without waiting for anything.
    var current: Instant { held ?? running }

    /// Does nothing while the deadline is not due.
    mutating func hold(before deadline: Instant?) {
        guard held == nil, let deadline, deadline <= running else { return }
        overslept = running - deadline
        held = deadline + .nanoseconds(-1)
    }

    /// The clock is held, and it is time to handle the deadline.
    ///
    /// - Parameter allIsHeard: the news of all that had happened when the deadline was due.
    mutating func isTimeForDeadline(allIsHeard: Bool) -> Bool {
        guard isHeld else { return false }
        if !allIsHeard && postponements < Self.postponementsMax {
            postponements += 1
            return false
        }
        postponements = 0
        return true
    }

    /// Ends the standstill; returns the time for the deadline.
    mutating func goOn() -> Instant {
        if let held {
            // One nanosecond on: the deadline itself.
            skipped = MonotonicClock.now() - held - .nanoseconds(1)
            self.held = nil
        }
        return running
    }

    /// When this clock will show `instant`, on the monotonic clock.
    func monotonic(_ instant: Instant) -> Instant { instant + skipped }

    private var running: Instant { MonotonicClock.now() + (.zero - skipped) }
}
