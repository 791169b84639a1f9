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

    /// Why no program started here could report its calls; nil: it can. Tried with a child of its own.
    func obstacle() -> SystemError? {
        var missing: UnsafePointer<CChar>?
        let result = rl_try_sharing(number, &missing)
        let code = errno
        _ = receive()
        if result == 0 { return nil }
        return SystemError(call: missing.map { String(cString: $0) } ?? "seccomp", errno: code)
    }

    /// For the child, which sends on it.
    var number: Int32 { theirs.number }

    /// What the child has sent; nil where it failed before that.
    func receive() -> FileDescriptor? {
        let number = rl_receive_descriptor(ours.number)
        return number < 0 ? nil : FileDescriptor(owning: number)
    }
}
