// The signal that asks for a drain, turned into a descriptor that becomes readable: the self-pipe technique. All that
// the handler does is write to a pipe. Nobody reads from the pipe, so it stays readable from then on for everybody who
// watches it.
import Glibc

/// The state that the handler uses: set before the handler is installed, and unchecked, because the checks themselves
/// are not safe in a signal handler.
@exclusivity(unchecked) private nonisolated(unsafe) var pipeWriteEnd: Int32 = -1

enum DrainSignal {
    /// - Returns: the descriptor that becomes readable. It stays open as long as the process runs.
    static func catchSignal(_ signal: Int32) throws(WorkerError) -> Int32 {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw .system(call: "pipe", code: errno, subject: "for signal \(signal)") }
        for end in ends {
            // Non-blocking: a flood of signals that fills the pipe must not stop the process in its handler.
            guard fcntl(end, F_SETFD, FD_CLOEXEC) == 0, fcntl(end, F_SETFL, O_NONBLOCK) == 0 else {
                throw .system(call: "fcntl", code: errno, subject: "pipe for signal \(signal)")
            }
        }
        pipeWriteEnd = ends[1]

        var action = sigaction()
        action.sa_flags = SA_RESTART
        action.__sigaction_handler.sa_handler = { _ in
            let savedErrno = errno
            _ = write(pipeWriteEnd, "!", 1)
            errno = savedErrno
        }
        guard sigaction(signal, &action, nil) == 0 else {
            throw .system(call: "sigaction", code: errno, subject: "signal \(signal)")
        }
        return ends[0]
    }

    /// Waits for at most that many milliseconds; -1 waits for ever.
    static func isReadable(_ descriptor: Int32, timeoutMilliseconds: Int32) -> Bool {
        var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while true {
            let count = poll(&watched, 1, timeoutMilliseconds)
            if count >= 0 { return count > 0 }
            // EINTR: it may have been the signal itself. Other errors (ENOMEM) pass; a negative answer then only comes
            // late.
            if errno != EINTR, timeoutMilliseconds >= 0 { return false }
        }
    }
}
