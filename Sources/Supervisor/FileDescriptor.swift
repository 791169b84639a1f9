// One owner for each descriptor: closed when the owner is gone, and at no other time.
internal import Glibc

/// An open file descriptor and its only owner. Close-on-exec by convention: whoever makes one opens it so.
public struct FileDescriptor: ~Copyable {
    /// The kernel's number, 0 or more. Valid for as long as this value lives.
    public let number: Int32

    /// Takes over `number`, which must be open and owned by nobody else.
    public init(owning number: Int32) {
        precondition(number >= 0, "a descriptor is never negative")
        self.number = number
    }

    /// Gives the number away; the caller closes it.
    public consuming func release() -> Int32 {
        let number = self.number
        discard self
        return number
    }

    /// A second descriptor for the same open file description.
    ///
    /// - Throws: EMFILE where the process is out of descriptors.
    public borrowing func duplicate() throws(SystemError) -> FileDescriptor {
        let number = number
        return FileDescriptor(owning: try checked("fcntl", "F_DUPFD_CLOEXEC") { fcntl(number, F_DUPFD_CLOEXEC, 0) })
    }

    deinit {
        // EINTR and EIO leave it closed on Linux; EBADF would be a second owner, a bug of ours.
        let result = close(number)
        assert(result == 0 || errno != EBADF, "descriptor \(number) was closed by somebody else")
    }
}
