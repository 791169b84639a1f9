// The one timer of the daemon: a timerfd(2) that is set to the core's next deadline, and disarmed when there is none.
internal import CLinux
internal import Glibc
internal import Reloader

struct DeadlineTimer: ~Copyable {
    /// Readable when the deadline has come.
    let channel: Channel
    private var armed: Instant?

    init() throws(SystemError) {
        channel = Channel(
            FileDescriptor(
                owning: try checked("timerfd_create") {
                    timerfd_create(CLOCK_MONOTONIC, Int32(TFD_CLOEXEC | TFD_NONBLOCK))
                }))
    }

    /// Makes the descriptor readable at `deadline`, or never.
    mutating func arm(_ deadline: Instant?) throws(SystemError) {
        if deadline == armed { return }
        var setting = itimerspec()
        if let deadline {
            // Zero would disarm it; an instant at or before now fires at once.
            let nanoseconds = max(1, deadline.nanoseconds)
            setting.it_value.tv_sec = time_t(nanoseconds / 1_000_000_000)
            setting.it_value.tv_nsec = Int(nanoseconds % 1_000_000_000)
        }
        let number = channel.number
        try checked("timerfd_settime") { timerfd_settime(number, Int32(TFD_TIMER_ABSTIME), &setting, nil) }
        armed = deadline
    }

    /// Takes notice of an expiry, so that the descriptor is quiet until it is armed again.
    mutating func acknowledge() throws(SystemError) {
        var expirations: UInt64 = 0
        let number = channel.number
        _ = try checkedUnlessWouldBlock("read", "timerfd") { read(number, &expirations, 8) }
        armed = nil
    }
}
