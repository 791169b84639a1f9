// The file of a unix socket. A stale file is replaced, a live one is refused, and the daemon's own is removed at the
// end. Others may be able to write into its directory: no link of theirs is followed, and no permission is changed by
// name.
internal import CLinux
internal import Glibc

final class SocketFile {
    private let path: String
    private let name: String
    /// Held open, so that it cannot become another between two looks, and that nothing is missing for the removal.
    private let directory: FileDescriptor
    private var bound: (device: dev_t, inode: ino_t)?

    /// Makes `path` available: removes a socket on which no process listens.
    ///
    /// - Throws: if a process listens there, or the file is not a socket.
    init(at path: String) throws(ListenError) {
        let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
        self.path = path
        name = slash.map { String(path[path.utf8.index(after: $0)...]) } ?? path
        do throws(SystemError) {
            directory = try Self.open(slash.map { String(path[...$0]) } ?? ".")
            guard let status else { return }
            guard status.st_mode & S_IFMT == S_IFSOCK else { throw SystemError(call: "stat", errno: ENOTSOCK) }
            if try Self.isLive(path) { throw SystemError(call: "connect", errno: EADDRINUSE) }
            try unlink()
        } catch {
            switch error.errno {
            case ENOTSOCK: throw .notASocket(path: path)
            case EADDRINUSE: throw .inUse(path: path)
            default: throw .failed(address: "unix:\(path)", error)
            }
        }
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

    // MARK: for the daemon that comes next

    struct State: Codable {
        let path: String
        let name: String
        let directory: RowDescriptors.Place
        /// Of the daemon's own file; nil: it has none.
        let device: UInt64?
        let inode: UInt64?
    }

    func state(_ descriptors: inout RowDescriptors) -> State {
        State(
            path: path, name: name, directory: descriptors.add(directory.number),
            device: bound.map { UInt64($0.device) }, inode: bound.map { UInt64($0.inode) })
    }

    init(_ state: State, of key: String, in rows: StateRows) throws(StateError) {
        directory = try rows.descriptor(state.directory, of: key)
        path = state.path
        name = state.name
        if let device = state.device, let inode = state.inode { bound = (dev_t(device), ino_t(inode)) }
    }

    // MARK: the file

    /// Takes the socket's file that is there now for the daemon's own.
    func claim() {
        guard let status, status.st_mode & S_IFMT == S_IFSOCK else { return }
        bound = (status.st_dev, status.st_ino)
    }

    /// Removes the daemon's own file, unless it has been replaced since.
    func remove() throws(SystemError) {
        guard let bound, let status, (status.st_dev, status.st_ino) == bound else { return }
        try unlink()
    }

    /// What stands under the name, which may be a link; nil if nothing does.
    private var status: stat? {
        var status = stat()
        return fstatat(directory.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? status : nil
    }

    private func unlink() throws(SystemError) {
        try checked("unlink", path) { unlinkat(directory.number, name, 0) }
    }

    private static func open(_ path: String) throws(SystemError) -> FileDescriptor {
        do throws(SystemError) {
            let place = try SafePath(path)
            let (holder, name) = (place.directory.number, place.name)
            return FileDescriptor(owning: try checked("open", path) { rl_open_entry(holder, name) })
        } catch {
            // What is wrong with the path would be wrong for bind(2), too.
            throw error.explanation == nil ? SystemError(call: "bind", errno: error.errno, subject: path) : error
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
