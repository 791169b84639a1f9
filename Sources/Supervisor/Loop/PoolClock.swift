// The core's time: the monotonic clock without the time in which the daemon was held up (by SIGSTOP, or by a busy
// machine). Messages that workers sent in that time wait in their channels, and must count before the time that has
// passed: a worker that pinged was not silent just because the daemon could not hear it.
internal import Reloader

/// Stands still just before a deadline that is due, until the waiting messages have been heard; then goes on from
/// there.
struct PoolClock {
    private var skipped = Duration.zero
    private var held: Instant?
    private var postponements = 0

    /// How many batches of news a due deadline waits for: a flood must not hold up time for ever.
    private static let postponementsMax = 32
    /// How late the daemon was for the deadline, when it noticed.
    private(set) var overslept = Duration.zero

    var isHeld: Bool { held != nil }

    init() {}

    /// Goes on as the clock of the daemon before this one.
    ///
    /// - Parameter skipped: what `skippedTime` was there.
    init(skipped: Duration) { self.skipped = skipped }

    /// The time in which it stood still.
    var skippedTime: Duration { skipped }

    /// If the daemon is later than this, it was not running: a busy machine delays it by less.
    static let longSleep = Duration.seconds(1)

    /// The time for an event that is not a deadline.
    mutating func now(before deadline: Instant?) -> Instant {
        hold(before: deadline)
        return held ?? running
    }

    /// The current time, without a look at any deadline.
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
