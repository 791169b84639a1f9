// A pipe(7) with an owner for each end.
internal import CLinux
internal import Glibc

struct Pipe: ~Copyable {
    let readEnd: FileDescriptor
    let writeEnd: FileDescriptor

    /// Both ends close-on-exec; the read end does not block.
    ///
    /// - Parameter user: who may open it by a name such as /dev/stderr, as the one who made it may; nil: only that one.
    init(openableBy user: UserChoice? = nil) throws(SystemError) {
        var ends: (Int32, Int32) = (-1, -1)
        try withUnsafeMutablePointer(to: &ends) { pointer throws(SystemError) in
            _ = try checked("pipe2") {
                UnsafeMutableRawPointer(pointer).withMemoryRebound(to: Int32.self, capacity: 2) { rl_pipe($0) }
            }
        }
        let reader = FileDescriptor(owning: ends.0)
        let writer = FileDescriptor(owning: ends.1)
        if let user { try Self.give(ends.1, to: user) }
        readEnd = reader
        writeEnd = writer
    }

    private static func give(_ number: Int32, to user: UserChoice) throws(SystemError) {
        if fchown(number, user.userID, user.groupID) == 0 { return }
        // Root without CAP_CHOWN: all may write to it then, as far as they get at it, which is through a process of
        // theirs.
        try checked("fchmod", "a worker's pipe") { fchmod(number, 0o622) }
    }

    /// Keeps the read end and closes the write end.
    consuming func takeReadEnd() -> FileDescriptor { readEnd }
}
