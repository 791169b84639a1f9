// The service manager's watchdog over the daemon itself: sd_watchdog_enabled(3). A timer of its own, made only where
// the manager asks for it: it fires in the loop, so that a loop that hangs is a daemon that is silent.
internal import CLinux
internal import Glibc

struct ManagerWatchdog: ~Copyable {
    static let ping = "WATCHDOG=1"
    /// A manager that asks for more often would be asking for a busy loop.
    private static let periodMinMicroseconds: Int64 = 1000

    /// Readable when it is time for a ping; nil if nobody waits for one.
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

    /// Half of what the manager waits for, as its manual asks; nil where it is meant for another process, or not at
    /// all.
    private static func periodMicroseconds(_ environment: Environment) -> Int64? {
        guard let text = environment["WATCHDOG_USEC"], let interval = Int64(text), interval > 0 else { return nil }
        if let process = environment["WATCHDOG_PID"], process != String(getpid()) { return nil }
        return max(periodMinMicroseconds, interval / 2)
    }
}
