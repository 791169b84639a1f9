// The signal that asks for a drain, turned into a descriptor that becomes readable: the self-pipe technique. The
// handler writes to a pipe, which is all that it does; nobody reads from it, so that readable means asked, for good and
// for all who watch.
import Glibc

/// What the handler touches: set before the handler is, and unchecked, because the checks themselves are not safe
/// there.
@exclusivity(unchecked) private nonisolated(unsafe) var pipeWriteEnd: Int32 = -1

enum DrainSignal {
    /// - Returns: the descriptor that becomes readable. It is open as long as the process is.
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

    /// Waits for at most that long; -1 is for ever.
    static func isReadable(_ descriptor: Int32, timeoutMilliseconds: Int32) -> Bool {
        var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while true {
            let count = poll(&watched, 1, timeoutMilliseconds)
            if count >= 0 { return count > 0 }
            // EINTR: the signal may be the very one. Others (ENOMEM) pass; a negative answer then is only late.
            if errno != EINTR, timeoutMilliseconds >= 0 { return false }
        }
    }
}
