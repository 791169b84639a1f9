// How a worker's seccomp notification descriptor reaches the daemon: one socket pair for all spawns, since each is over
// before the next begins.
internal import CLinux
internal import Glibc

struct CallChannel: ~Copyable {
    private let ours: FileDescriptor
    private let theirs: FileDescriptor

    init() throws(SystemError) {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue)
        try checked("socketpair", "AF_UNIX") { socketpair(AF_UNIX, type, 0, &ends) }
        ours = FileDescriptor(owning: ends[0])
        theirs = FileDescriptor(owning: ends[1])
    }

    static func make(where isWanted: Bool) throws(SystemError) -> CallChannel? {
        guard isWanted else { return nil }
        return try CallChannel()
    }

    /// For the child, which sends on it.
    var number: Int32 { theirs.number }

    /// What the child has sent; nil where it failed before that.
    func receive() -> FileDescriptor? {
        let number = rl_receive_descriptor(ours.number)
        return number < 0 ? nil : FileDescriptor(owning: number)
    }

    /// Why this system cannot share ports; nil: as far as can be told beforehand, it can.
    static func obstacle() -> String? {
        var missing: UnsafePointer<CChar>?
        if rl_check_sharing(&missing) == 0 { return nil }
        let error = SystemError(call: missing.map { String(cString: $0) } ?? "seccomp", errno: errno)
        return error.description
    }
}
