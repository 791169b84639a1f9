// Where a unix socket is made before it gets its name.
internal import CLinux
internal import Glibc

/// A directory that nobody else can enter, where the socket is made before it gets its name: what is changed there by
/// name is what was just made there.
struct SocketWorkshop: ~Copyable {
    private static let name = "s"

    private let path: String
    private let directory: FileDescriptor

    /// - Parameter path: where the socket is to stand.
    init(beside path: String) throws(SystemError) {
        let folder = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[...$0]) } ?? ""
        var template = Array("\(folder).XXXXXX".utf8CString)
        if mkdtemp(&template) == nil { throw SystemError(call: "mkdir", errno: errno, subject: path) }
        let made = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        directory = try Self.enter(made)
        self.path = made
    }

    private static func enter(_ path: String) throws(SystemError) -> FileDescriptor {
        let directory = FileDescriptor(owning: try checked("open", path) { rl_open_entry(AT_FDCWD, path) })
        let number = directory.number
        var status = stat()
        try checked("fstat", path) { fstat(number, &status) }
        guard status.st_mode & (S_IFMT | 0o777) == S_IFDIR | 0o700, status.st_uid == geteuid() else {
            throw SystemError(
                call: "mkdir", errno: EPERM, subject: path,
                explanation: "somebody else has replaced \(printable(path)) while it was made")
        }
        return directory
    }

    /// Opens a listening socket here, with its permissions.
    ///
    /// - Parameter group: may connect, too.
    func open(_ kind: __socket_type, group: UInt32?, backlog: Int32) throws(SystemError) -> FileDescriptor {
        let type = Int32(kind.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let socket = FileDescriptor(owning: try checked("socket", "AF_UNIX") { Glibc.socket(AF_UNIX, type, 0) })
        let number = socket.number
        let holder = directory.number
        let address = try SocketAddress(unix: "/proc/self/fd/\(holder)/\(Self.name)")
        try SocketFile.bind(socket, to: address, mode: group == nil ? 0o600 : 0o660)
        if let group {
            try checked("chown", path) { fchownat(holder, Self.name, uid_t.max, group, AT_SYMLINK_NOFOLLOW) }
        }
        try checked("listen", path) { listen(number, backlog) }
        return socket
    }

    /// Gives it its name, unless something has that.
    func link(to path: String) throws(SystemError) {
        let holder = directory.number
        try checked("link", path) { linkat(holder, Self.name, AT_FDCWD, path, 0) }
    }

    /// Gives it this name in one step, in place of what has it.
    func move(to path: String) throws(SystemError) {
        let holder = directory.number
        try checked("rename", path) { renameat(holder, Self.name, AT_FDCWD, path) }
    }

    /// The socket keeps the name that it was given.
    func remove() {
        unlinkat(directory.number, Self.name, 0)
        rmdir(path)
    }
}
