// The terminal that the daemon was started from, watched for its end alone. When it is closed, the kernel sends SIGHUP
// to the shell, and the shell to its jobs: that is a hang-up, and not the order to reload that the same signal is
// otherwise.
internal import CLinux
internal import Glibc
internal import Reloader

final class ControllingTerminal {
    /// A shell that has heard of the hang-up tells its jobs at once; a later SIGHUP means something else.
    private static let shellsPatience = Duration.seconds(2)

    let channel: Channel
    /// On the monotonic clock.
    private var hungUpAt: Instant?

    /// nil: there is none (a service, a container without a terminal).
    init?() {
        let number = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
        if number < 0 { return nil }
        channel = Channel(FileDescriptor(owning: number))
    }

    /// Whether the daemon was started on a terminal, and is to end with it.
    static var isThere: Bool {
        let number = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
        if number < 0 { return false }
        close(number)
        return !rl_hangup_was_ignored()
    }

    /// Whether the terminal is closed; that is final.
    var hasHungUp: Bool {
        if hungUpAt != nil { return true }
        var request = pollfd(fd: channel.number, events: 0, revents: 0)
        guard poll(&request, 1, 0) > 0, request.revents & Int16(POLLHUP | POLLERR) != 0 else { return false }
        hungUpAt = MonotonicClock.now()
        return true
    }

    /// Whether a SIGHUP from this process only passes on the terminal's own: the process is in the terminal's session,
    /// and the signal comes with the terminal's end.
    func explains(_ sender: Int32) -> Bool {
        guard hasHungUp, let hungUpAt, MonotonicClock.now() - hungUpAt < Self.shellsPatience else { return false }
        let session = getsid(sender)
        // A shell that has ended has no session to compare.
        return session < 0 || session == getsid(0)
    }
}
