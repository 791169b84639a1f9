// The wall clock, for what people read: nothing is decided by it.
internal import Glibc

enum WallClock {
    static func now() -> timespec {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)  // cannot fail for this clock and a valid address
        return now
    }
}
