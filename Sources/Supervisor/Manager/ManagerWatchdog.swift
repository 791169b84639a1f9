// The service manager's watchdog over the daemon itself: sd_watchdog_enabled(3). It has its own timer, made only if the
// manager asks for pings. The timer fires in the loop, so that a daemon whose loop hangs falls silent.
internal import CLinux
internal import Glibc

struct ManagerWatchdog: ~Copyable {
    static let ping = "WATCHDOG=1"
    /// The shortest period between pings. A shorter one would make the loop busy.
    private static let periodMinMicroseconds: Int64 = 1000

    /// Readable when it is time for a ping; nil if the manager wants none.
    let timer: Channel?

    init(_ environment: Environment) throws(SystemError) {
        guard let period = Self.periodMicroseconds(environment) else {
            timer = nil
            return
        }
        let timer = FileDescriptor(
            owning: try checked("timerfd_create") { timerfd_create(CLOCK_MONOTONIC, Int32(TFD_CLOEXEC | TFD_NONBLOCK)) }
        )
        let time = timespec(tv_sec: Int(period / 1_000_000), tv_nsec: Int(period % 1_000_000 * 1000))
        var setting = itimerspec(it_interval: time, it_value: time)
        let number = timer.number
        try checked("timerfd_settime") { timerfd_settime(number, 0, &setting, nil) }
        self.timer = Channel(timer)
    }

    func acknowledge() throws(SystemError) {
        guard let number = timer?.number else { return }
        var expirations: UInt64 = 0
        _ = try checkedUnlessWouldBlock("read", "timerfd") { read(number, &expirations, 8) }
    }

    /// Half of the time that the manager waits, as its manual asks; nil if the watchdog is off or meant for another
    /// process.
    private static func periodMicroseconds(_ environment: Environment) -> Int64? {
        guard let text = environment["WATCHDOG_USEC"], let interval = Int64(text), interval > 0 else { return nil }
        if let process = environment["WATCHDOG_PID"], process != String(getpid()) { return nil }
        return max(periodMinMicroseconds, interval / 2)
    }
}
