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

    /// How many the process may have open now.
    static var limit: Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        return Int(clamping: limit.rlim_cur)
    }

    /// The kernel gives out the lowest number that is free: if this one, just made, is below, at least the last
    /// `limit / part` numbers are free, or those of them that were taken while less was.
    func isBelow(_ limit: Int, reserving part: Int) -> Bool { Int(number) < limit - limit / part }

    /// The same under a number of `upperNumbers` on, where there is one; else as it is, which only costs time.
    consuming func moved() -> FileDescriptor {
        let other = fcntl(number, F_DUPFD_CLOEXEC, Self.upperNumbers)
        if other < 0 { return self }
        return FileDescriptor(owning: other)
    }

    /// What there is once a worker lives above; below stays what a starting worker is given, so that it need not copy
    /// and close again what belongs to the others (see unshare_descriptors in spawn.c). Any number well above the
    /// daemon's own.
    private static let upperNumbers: Int32 = 256

    deinit {
        // EINTR and EIO leave it closed on Linux; EBADF would be a second owner, a bug of ours.
        let result = close(number)
        assert(result == 0 || errno != EBADF, "descriptor \(number) was closed by somebody else")
    }
}
