// The one type for failed system calls, and the two helpers that make it. They read errno before anything else can
// change it.
internal import CLinux
internal import Glibc

/// A system call that failed: which call, on what, and why.
public struct SystemError: Error, Codable, Equatable, Sendable, CustomStringConvertible {
    /// The call's name in section 2 of the manual.
    public var call: String
    public var errno: Int32
    /// What the call was made on, in words for people; may be empty.
    public var subject: String
    /// Set if the C library's words for the errno would not help.
    public var explanation: String?

    public init(call: String, errno: Int32, subject: String = "", explanation: String? = nil) {
        self.call = call
        self.errno = errno
        self.subject = subject
        self.explanation = explanation
    }

    /// The process or the machine has run out of descriptors or memory: nothing is said of what the call was about.
    var isShortage: Bool { Self.isShortage(errno) }

    static func isShortage(_ errno: Int32) -> Bool {
        errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS
    }

    /// The explanation, or the C library's words for the errno.
    public var reason: String { explanation ?? String(cString: rl_error_text(errno)) }

    public var description: String {
        subject.isEmpty ? "\(call): \(reason)" : "\(call) \(subject): \(reason)"
    }
}

/// Runs a system call that reports failure by -1, and repeats it if it is interrupted.
@discardableResult
func checked<Result: FixedWidthInteger & SignedInteger>(
    _ call: String, _ subject: @autoclosure () -> String = "", _ body: () -> Result
) throws(SystemError) -> Result {
    while true {
        let result = body()
        if result != -1 { return result }
        let code = errno
        if code != EINTR { throw SystemError(call: call, errno: code, subject: subject()) }
    }
}

/// Like `checked`, for a descriptor that doesn't block: nil if there is nothing now (EAGAIN).
func checkedUnlessWouldBlock<Result: FixedWidthInteger & SignedInteger>(
    _ call: String, _ subject: @autoclosure () -> String = "", _ body: () -> Result
) throws(SystemError) -> Result? {
    do {
        return try checked(call, subject(), body)
    } catch {
        if error.errno == EAGAIN || error.errno == EWOULDBLOCK { return nil }
        throw error
    }
}
