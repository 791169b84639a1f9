// The only clocks: the monotonic one for every decision, the wall clock for the log's time stamps alone.
internal import Glibc
internal import Reloader

enum MonotonicClock {
    static func now() -> Instant {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)  // cannot fail for this clock and a valid address
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
