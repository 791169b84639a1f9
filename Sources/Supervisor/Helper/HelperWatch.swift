// Whether the helper is stuck: a busy machine, or a long look, must not be taken for that.
internal import Reloader

/// One request that the helper has, and what it did since.
struct HelperWatch {
    /// A request takes a fraction of a millisecond, and a look at ten thousand connections some tens.
    private static let patience = Duration.seconds(1)
    /// After that, a helper that waits is given this long to show that it does not wait for one and the same thing.
    private static let confirmation = Duration.milliseconds(100)
    /// A helper that works gets so much more.
    private static let longest = Duration.seconds(10)

    enum Judgement {
        case works
        case isStopped
        case isStuck
    }

    private var since = Instant(nanoseconds: 0)
    private(set) var nextLook = Instant(nanoseconds: 0)
    private var seen: HelperProcess.Activity?

    mutating func began(at now: Instant) {
        since = now
        nextLook = now + Self.patience
        seen = nil
    }

    func isLate(by time: Duration) -> Bool { MonotonicClock.now() - since > time }

    /// Stuck is what waits, and has not run between two looks; or what has run for `longest` without an answer.
    mutating func judge(_ activity: HelperProcess.Activity, at now: Instant) -> Judgement {
        defer {
            seen = activity
            nextLook = now + Self.confirmation
        }
        if now - since > Self.longest { return activity.isStopped ? .isStopped : .isStuck }
        guard activity.waits, activity == seen else { return .works }
        return activity.isStopped ? .isStopped : .isStuck
    }
}

/// When a helper that has ended or can't be started is tried again.
struct HelperRestarts {
    private var failures = 0
    private(set) var nextTry: Instant?

    /// It has answered.
    mutating func succeeded() {
        failures = 0
        nextTry = nil
    }

    /// Returns true for the first failure in a row. The first one costs no time.
    mutating func failed(at now: Instant) -> Bool {
        defer { failures += 1 }
        nextTry = failures == 0 ? nil : now + .milliseconds(25 << min(failures, 8))
        return failures == 0
    }
}
