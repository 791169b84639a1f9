// The monotonic clock, by which everything is decided and waited for. The wall clock is for what people read.
internal import Glibc
public import Reloader

public enum MonotonicClock {
    /// The time now, on CLOCK_MONOTONIC: it never jumps, and stands still while the machine sleeps.
    public static func now() -> Instant {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)  // cannot fail for this clock and a valid address
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
