// Where control sockets are and how to connect to one, for the daemon that opens its socket and for the commands that
// look for it.
internal import CLinux
internal import Glibc

/// The control socket of one daemon, whether the daemon is running or not.
public struct ControlSocket: Equatable, Sendable {
    /// The daemon's name.
    public let daemon: String
    /// The socket's file.
    public let path: String

    private static let suffix = ".sock"

    /// - Parameters:
    ///   - daemon: the daemon's name.
    ///   - directory: one of `RuntimeDirectories`.
    public init(of daemon: String, in directory: String) {
        self.daemon = daemon
        path = "\(directory)/\(daemon)\(Self.suffix)"
    }

    /// The control sockets in these directories, ordered by directory and then by name. A directory that is missing, or
    /// that this process may not read, has none.
    public static func all(in directories: [String]) -> [ControlSocket] {
        directories.flatMap { directory in
            daemons(in: directory).sorted().map { ControlSocket(of: $0, in: directory) }
        }
    }

    private static func daemons(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        return entryNames(stream).filter { $0.hasSuffix(suffix) }.map { String($0.dropLast(suffix.count)) }
    }

    /// Connects a blocking stream socket to the file at `path`.
    ///
    /// - Parameter patience: how long the connection, and later each write, may wait. A daemon that is stopped accepts
    ///   no connection, and a full queue makes connect(2) wait.
    /// - Throws: ENOENT or ECONNREFUSED if no process listens there, EACCES if this process may not connect, EAGAIN if
    ///   the patience has run out, ENAMETOOLONG if the path has more than 107 bytes.
    public static func connect(to path: String, patience: Duration) throws(SystemError) -> FileDescriptor {
        let address = try SocketAddress(unixFile: path)
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        let socket = FileDescriptor(owning: try checked("socket", "AF_UNIX") { Glibc.socket(AF_UNIX, type, 0) })
        let number = socket.number
        var limit = timeval(tv_sec: Int(patience.components.seconds), tv_usec: 0)
        let length = socklen_t(MemoryLayout<timeval>.size)
        try checked("setsockopt", "SO_SNDTIMEO") { setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &limit, length) }
        try checked("connect", path) { address.withPointer { Glibc.connect(number, $0, $1) } }
        return socket
    }

    /// The process that listens, or connected, at the other end of a unix socket, as it was then; nil if the kernel
    /// does not say.
    public static func peerProcess(of socket: borrowing FileDescriptor) -> Int32? {
        var peer = rl_peer()
        return rl_peer_credentials(socket.number, &peer) == 0 && peer.pid > 0 ? peer.pid : nil
    }
}

/// The directories that hold control sockets, as this process sees them.
public enum RuntimeDirectories {
    /// The directory of root's daemons.
    static let ofRoot = "/run/reloaderd"

    /// In order of preference: the directory that a daemon started with this process' environment would use; the
    /// fallback directory of this user, if it can be trusted; the directory of root's daemons, whose --control-group
    /// may admit this user.
    public static var all: [String] {
        var directories: [String] = []
        if case .folder(let own, _) = ControlPaths.runtimeDirectory(.inherited()) { directories.append(own) }
        if geteuid() != 0, FallbackDirectory.problem() == nil { directories.append(FallbackDirectory.path) }
        if !directories.contains(ofRoot) { directories.append(ofRoot) }
        return directories
    }

    /// For messages: the directories that exist and that this user may not read, with the reason.
    public static var closed: [String] {
        all.compactMap { directory in
            let isClosed = access(directory, R_OK | X_OK) != 0 && errno == EACCES
            return isClosed ? "cannot read \(printable(directory)): \(String(cString: strerror(EACCES)))" : nil
        }
    }
}

/// The directory for the control sockets of an ordinary user's daemons if the environment names none: after su, under
/// cron, in a container. Any user may write into /tmp, so the daemon and the commands both check what is there before
/// they trust it.
enum FallbackDirectory {
    /// The directory of this process' user.
    static var path: String { "/tmp/reloaderd-\(geteuid())" }

    /// Why the directory is not this user's alone; nil if it is. A missing directory is a problem as well.
    static func problem() -> String? {
        var status = stat()
        guard lstat(path, &status) == 0 else { return String(cString: strerror(errno)) }
        guard status.st_mode & S_IFMT == S_IFDIR else { return "it is not a directory" }
        guard status.st_uid == geteuid() else { return "it belongs to user \(status.st_uid)" }
        return status.st_mode & 0o077 == 0 ? nil : "others may enter it"
    }
}
