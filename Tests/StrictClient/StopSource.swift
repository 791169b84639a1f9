// What may end a run from outside: SIGTERM, SIGINT and, when asked, the end of standard input. The signals come through
// a self-pipe, so that the poll loop waits for them like for everything else.
import Glibc

/// The only thing that the signal handler touches; set before the handler is.
@exclusivity(unchecked) private nonisolated(unsafe) var signalPipe: Int32 = -1

struct StopSource {
    let signalDescriptor: Int32
    /// nil: standard input doesn't matter.
    private(set) var inputDescriptor: Int32?

    init(untilEndOfInput: Bool) throws(UsageError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw UsageError("cannot make a pipe: \(errorText(errno))") }
        signalPipe = ends[1]
        signalDescriptor = ends[0]
        inputDescriptor = untilEndOfInput ? 0 : nil

        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in
            let savedErrno = errno
            // Not a string: making a pointer of one may allocate, and the signal may have come in the middle of malloc.
            var byte: UInt8 = 1
            _ = write(signalPipe, &byte, 1)
            errno = savedErrno
        }
        for signal in [SIGTERM, SIGINT] {
            guard sigaction(signal, &action, nil) == 0 else {
                throw UsageError("cannot catch signal \(signal): \(errorText(errno))")
            }
        }
    }

    /// true: standard input has ended; what it says before that is thrown away.
    func inputHasEnded() -> Bool {
        var scratch: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        let count = withUnsafeMutableBytes(of: &scratch) { read(0, $0.baseAddress, $0.count) }
        return count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN)
    }
}
