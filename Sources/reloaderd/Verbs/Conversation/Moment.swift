// The client's clock, for waiting and for showing how long something takes.
import Glibc

/// A moment of the monotonic clock, in nanoseconds.
struct Moment: Comparable {
    private let nanoseconds: Int64

    static func now() -> Moment {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)  // cannot fail for this clock and a valid address
        return Moment(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    static func < (left: Moment, right: Moment) -> Bool { left.nanoseconds < right.nanoseconds }

    static func + (moment: Moment, seconds: Double) -> Moment {
        Moment(nanoseconds: moment.nanoseconds + Int64(seconds * 1e9))
    }

    /// Seconds from `earlier` to here.
    func since(_ earlier: Moment) -> Double { Double(nanoseconds - earlier.nanoseconds) / 1e9 }

    /// For poll(2): rounded up, so that it is not asked again too early.
    func millisecondsLeft(from now: Moment) -> Int32 {
        if self <= now { return 0 }
        return Int32(min((nanoseconds - now.nanoseconds + 999_999) / 1_000_000, Int64(Int32.max)))
    }
}
