// The file of a unix socket. A stale file is replaced, a live one is refused, and the daemon's own is removed at the
// end. Others may be able to write into its directory: no link of theirs is followed, and no permission is changed by
// name.
internal import CLinux
internal import Glibc

struct SocketFile {
    private let path: String
    private let device: dev_t
    private let inode: ino_t

    /// The file of the socket that was just bound to `path`; nil if it is already gone.
    init?(_ path: String) {
        guard let place = try? Place(path), let status = place.status, status.st_mode & S_IFMT == S_IFSOCK else {
            return nil
        }
        self.path = path
        device = status.st_dev
        inode = status.st_ino
    }

    /// Removes the file, unless it has been replaced since.
    func remove() throws(SystemError) {
        let place = try Place(path)
        guard let now = place.status, now.st_dev == device, now.st_ino == inode else { return }
        try place.remove(path)
    }

    /// Binds a unix socket. Its file appears with these permissions at once: the kernel takes them from the socket, so
    /// that nobody can put something else under the name before they are set.
    static func bind(
        _ socket: borrowing FileDescriptor, to address: SocketAddress, mode: mode_t
    ) throws(SystemError) {
        let number = socket.number
        try checked("fchmod", "a socket") { fchmod(number, mode) }
        let mask = umask(0)
        defer { umask(mask) }
        try checked("bind") { address.withPointer { Glibc.bind(number, $0, $1) } }
    }

    /// Makes `path` available: removes a socket on which no process listens.
    ///
    /// - Throws: if a process listens there, or the file is not a socket.
    static func removeStale(_ path: String) throws(ListenError) {
        do throws(SystemError) {
            let place: Place
            do throws(SystemError) { place = try Place(path) } catch {
                if error.explanation != nil { throw error }
                return  // if the path is wrong, bind reports it better
            }
            guard let status = place.status else { return }
            guard status.st_mode & S_IFMT == S_IFSOCK else { throw SystemError(call: "stat", errno: ENOTSOCK) }
            if try isLive(path) { throw SystemError(call: "connect", errno: EADDRINUSE) }
            try place.remove(path)
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
            // EAGAIN: its queue is full; EPROTOTYPE: it is a live socket of another type. Only a refusal means that no
            // process listens.
            return error.errno != ECONNREFUSED && error.errno != ENOENT
        }
    }
}

/// A name in a directory that is held open, so that it cannot become another between two looks.
private struct Place: ~Copyable {
    private let directory: FileDescriptor
    private let name: String

    init(_ path: String) throws(SystemError) {
        let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
        name = slash.map { String(path[path.utf8.index(after: $0)...]) } ?? path
        let parent = try SafePath(slash.map { String(path[...$0]) } ?? ".")
        let (holder, entry) = (parent.directory.number, parent.name)
        directory = FileDescriptor(owning: try checked("open", path) { rl_open_entry(holder, entry) })
    }

    /// What stands there, which may be a link; nil: nothing.
    var status: stat? {
        var status = stat()
        return fstatat(directory.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? status : nil
    }

    func remove(_ path: String) throws(SystemError) {
        let number = directory.number
        try checked("unlink", path) { unlinkat(number, name, 0) }
    }
}
