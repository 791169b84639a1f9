// The file of a unix socket: a stale one is replaced, a live one refused, ours removed at the end.
internal import Glibc

struct SocketFile {
    private let path: String
    private let device: dev_t
    private let inode: ino_t

    /// The socket that was just bound at `path`; nil where it is gone already.
    init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        self.path = path
        device = status.st_dev
        inode = status.st_ino
    }

    /// Removes the file, unless something else stands there by now.
    func remove() throws(SystemError) {
        guard let now = SocketFile(path), now.device == device, now.inode == inode else { return }
        try checked("unlink", path) { unlink(path) }
    }

    /// Makes room at `path`: removes a socket that nobody listens on.
    ///
    /// - Throws: where a process listens there, or the file is none of a socket.
    static func removeStale(_ path: String) throws(ListenError) {
        do throws(SystemError) {
            var status = stat()
            if lstat(path, &status) != 0 { return }  // what is wrong with the path, bind says better
            guard status.st_mode & S_IFMT == S_IFSOCK else { throw SystemError(call: "stat", errno: ENOTSOCK) }
            if try isLive(path) { throw SystemError(call: "connect", errno: EADDRINUSE) }
            try checked("unlink", path) { unlink(path) }
        } catch {
            switch error.errno {
            case ENOTSOCK: throw .notASocket(path: path)
            case EADDRINUSE: throw .inUse(path: path)
            default: throw .failed(address: "unix:\(path)", error)
            }
        }
    }

    private static func isLive(_ path: String) throws(SystemError) -> Bool {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let probe = FileDescriptor(owning: try checked("socket", "AF_UNIX") { socket(AF_UNIX, type, 0) })
        let number = probe.number
        let address = try SocketAddress(unix: path)
        do throws(SystemError) {
            try checked("connect", path) { address.withPointer { connect(number, $0, $1) } }
            return true
        } catch {
            // EAGAIN: its queue is full; EPROTOTYPE: it is a live socket of another type. Only a refusal means that
            // nobody is there.
            return error.errno != ECONNREFUSED && error.errno != ENOENT
        }
    }
}
