// Each descriptor has one owner, and is closed when the owner is gone and at no other time.
internal import Glibc

/// An open file descriptor and its only owner. Close-on-exec by convention: all code that opens one sets that flag.
public struct FileDescriptor: ~Copyable {
    /// The kernel's number, 0 or more. Valid for as long as this value lives.
    public let number: Int32

    /// Takes over `number`, which must be open and have no other owner.
    public init(owning number: Int32) {
        precondition(number >= 0, "a descriptor is never negative")
        self.number = number
    }

    /// A second descriptor for the same open file description.
    ///
    /// - Throws: EMFILE if the process is out of descriptors.
    public borrowing func duplicate() throws(SystemError) -> FileDescriptor {
        let number = number
        return FileDescriptor(owning: try checked("fcntl", "F_DUPFD_CLOEXEC") { fcntl(number, F_DUPFD_CLOEXEC, 0) })
    }

    /// How many descriptors the process may have open now.
    static var limit: Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        return Int(clamping: limit.rlim_cur)
    }

    /// Whether this descriptor, just made, leaves the last `limit / part` numbers alone. The kernel gives out the
    /// lowest number that is free, so those are free as well, except for what was opened while fewer were.
    func isBelow(_ limit: Int, reserving part: Int) -> Bool { Int(number) < limit - limit / part }

    /// The same descriptor under a number from `upperNumbers` up, if one is free; otherwise unchanged, which only costs
    /// time.
    consuming func moved() -> FileDescriptor {
        let other = fcntl(number, F_DUPFD_CLOEXEC, Self.upperNumbers)
        if other < 0 { return self }
        return FileDescriptor(owning: other)
    }

    /// Descriptors that the daemon has for each worker are moved to numbers from here up. Below stays what a starting
    /// worker is given, so that it need not copy and close the descriptors of other workers (see unshare_descriptors in
    /// spawn.c). Any number well above the daemon's own descriptors will do.
    static let upperNumbers: Int32 = 256

    deinit {
        // On Linux the descriptor is closed even after EINTR and EIO; EBADF would mean a second owner, which is a bug.
        let result = close(number)
        assert(result == 0 || errno != EBADF, "descriptor \(number) was closed by other code")
    }
}

/// The path of an open file, without symbolic links, from /proc/self/fd (proc(5)); nil if the file has no path or is
/// deleted, or if /proc is not mounted.
func pathOfDescriptor(_ number: Int32) -> String? {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/fd/\(number)", &buffer, buffer.count)
    guard count > 0, count < buffer.count, buffer[0] == CChar(UInt8(ascii: "/")) else { return nil }
    return String(validating: buffer[..<count].lazy.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
