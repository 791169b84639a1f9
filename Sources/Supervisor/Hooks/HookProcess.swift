// A run of the hook: a process in a session of its own.
internal import Reloader

/// Lives until its exit is seen. Owns its pidfd.
final class HookProcess {
    let event: String
    let pid: Int32
    /// Readable when the process has ended; the only way by which it is signalled.
    let exit: Channel
    let timeout: Duration
    /// On the monotonic clock.
    var deadline: Instant
    /// It was sent SIGKILL, and that was told.
    var isKilled = false

    init(_ event: HookEvent, pid: Int32, exit: consuming FileDescriptor, startedAt: Instant) {
        self.event = event.name
        self.pid = pid
        self.exit = Channel(exit)
        timeout = event.timeout
        deadline = startedAt + event.timeout
    }
}
