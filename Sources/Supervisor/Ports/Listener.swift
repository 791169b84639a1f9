// A listening socket that the daemon holds, so that it outlives every worker.
internal import CLinux
internal import Glibc

final class Listener {
    let descriptor: FileDescriptor
    let name: String?
    /// The name to show to people.
    let label: String
    /// The socket's file, if this listener created one. It is removed at the end.
    private let file: SocketFile?
    /// Where it listens, with the port that the kernel chose if port 0 was asked for; nil for a socket that was handed
    /// over.
    let address: ListenAddress?

    /// Takes over a socket that is already open.
    init(inherited descriptor: consuming FileDescriptor, name: String?, label: String) {
        self.descriptor = descriptor
        self.name = name
        self.label = label
        file = nil
        address = nil
    }

    /// Opens, binds and listens.
    ///
    /// - Parameter reusesPort: whether other sockets of the same user may be opened on the same address.
    init(_ spec: ListenSpec, backlog: Int32, reusesPort: Bool = false) throws(ListenError) {
        let label = String(describing: spec.address)
        name = spec.name
        if case .unix(let path) = spec.address, !path.hasPrefix("@") {
            let file = try SocketFile(at: path)
            descriptor = try Self.open(spec.address, label, backlog, reusesPort)
            file.claim()
            self.file = file
        } else {
            descriptor = try Self.open(spec.address, label, backlog, reusesPort)
            file = nil
        }
        do throws(SystemError) {
            let address = try SocketAddress.port(of: descriptor).map { spec.address.at(port: $0) } ?? spec.address
            self.address = address
            self.label = String(describing: address)
        } catch { throw .failed(address: label, error) }
    }

    /// The socket's inode in the kernel's tables.
    var inode: UInt64? {
        var status = stat()
        return fstat(descriptor.number, &status) == 0 ? UInt64(status.st_ino) : nil
    }

    func removeFile() throws(SystemError) { try file?.remove() }

    // MARK: for the daemon that comes next

    struct State: Codable {
        let descriptor: RowDescriptors.Place
        let name: String?
        let label: String
        let file: SocketFile.State?
        let address: ListenAddress?
    }

    func state(_ descriptors: inout RowDescriptors) -> State {
        State(
            descriptor: descriptors.add(descriptor.number), name: name, label: label,
            file: file?.state(&descriptors), address: address)
    }

    init(_ state: State, of key: String, in rows: StateRows) throws(StateError) {
        descriptor = try rows.descriptor(state.descriptor, of: key)
        name = state.name
        label = state.label
        if let state = state.file { file = try SocketFile(state, of: key, in: rows) } else { file = nil }
        address = state.address
    }

    // MARK: opening

    private static func open(
        _ address: ListenAddress, _ label: String, _ backlog: Int32, _ reusesPort: Bool
    ) throws(ListenError) -> FileDescriptor {
        do throws(SystemError) {
            switch address {
            case .tcpAny(let port):
                do throws(SystemError) {
                    let any = SocketAddress(ipv6: [UInt8](repeating: 0, count: 16), scope: 0, port: port)
                    return try stream(AF_INET6, any, backlog, reusesPort, isDualStack: true)
                } catch  where error.errno == EAFNOSUPPORT || error.errno == EADDRNOTAVAIL {
                    return try stream(AF_INET, SocketAddress(ipv4: 0, port: port), backlog, reusesPort)
                }
            case .tcp4(let host, let port):
                return try stream(AF_INET, SocketAddress(ipv4: host, port: port), backlog, reusesPort)
            case .tcp6(let host, let scope, let port):
                return try stream(AF_INET6, SocketAddress(ipv6: host, scope: scope, port: port), backlog, reusesPort)
            case .udpAny(let port):
                do throws(SystemError) {
                    let any = SocketAddress(ipv6: [UInt8](repeating: 0, count: 16), scope: 0, port: port)
                    return try datagram(AF_INET6, any, isDualStack: true)
                } catch  where error.errno == EAFNOSUPPORT || error.errno == EADDRNOTAVAIL {
                    return try datagram(AF_INET, SocketAddress(ipv4: 0, port: port))
                }
            case .udp4(let host, let port):
                return try datagram(AF_INET, SocketAddress(ipv4: host, port: port))
            case .udp6(let host, let scope, let port):
                return try datagram(AF_INET6, SocketAddress(ipv6: host, scope: scope, port: port))
            case .unix(let path):
                return try stream(AF_UNIX, SocketAddress(unix: path), backlog, false)
            }
        } catch {
            throw .failed(address: label, error)
        }
    }

    private static func stream(
        _ family: Int32, _ address: SocketAddress, _ backlog: Int32, _ reusesPort: Bool,
        isDualStack: Bool = false
    ) throws(SystemError) -> FileDescriptor {
        let socket = try bound(family, SOCK_STREAM, address, reusesPort: reusesPort, isDualStack: isDualStack)
        let number = socket.number
        try checked("listen") { listen(number, backlog) }
        return socket
    }

    private static func datagram(
        _ family: Int32, _ address: SocketAddress, isDualStack: Bool = false
    ) throws(SystemError) -> FileDescriptor {
        try bound(family, SOCK_DGRAM, address, reusesPort: false, isDualStack: isDualStack)
    }

    private static func bound(
        _ family: Int32, _ kind: __socket_type, _ address: SocketAddress, reusesPort: Bool, isDualStack: Bool
    ) throws(SystemError) -> FileDescriptor {
        let type = Int32(kind.rawValue | SOCK_CLOEXEC.rawValue)
        let made = FileDescriptor(owning: try checked("socket") { socket(family, type, 0) })
        // After a restart of the daemon, connections of the previous one may linger in TIME_WAIT on this port.
        if family != AF_UNIX && kind == SOCK_STREAM { try set(made, SOL_SOCKET, SO_REUSEADDR, 1) }
        if reusesPort { try set(made, SOL_SOCKET, SO_REUSEPORT, 1) }
        if family == AF_INET6 { try set(made, Int32(IPPROTO_IPV6), IPV6_V6ONLY, isDualStack ? 0 : 1) }
        let number = made.number
        guard family == AF_UNIX else {
            try checked("bind") { address.withPointer { bind(number, $0, $1) } }
            return made
        }
        // As systemd's SocketMode= does: who may connect is decided by the directory.
        try SocketFile.bind(made, to: address, mode: 0o666)
        return made
    }

    private static func set(
        _ socket: borrowing FileDescriptor, _ level: Int32, _ option: Int32, _ value: Int32
    ) throws(SystemError) {
        var value = value
        let number = socket.number
        try checked("setsockopt") { setsockopt(number, level, option, &value, socklen_t(MemoryLayout<Int32>.size)) }
    }
}

/// Sockets that an outer supervisor hands over, see sd_listen_fds(3). The daemon takes them and passes them on to
/// workers.
enum InheritedListeners {
    /// The first descriptor of the protocol.
    private static let firstDescriptor: Int32 = 3

    /// Whether LISTEN_FDS is set but LISTEN_PID names another process: the daemon was then not started by exec.
    static func areMeantForAnother(_ environment: Environment) -> Bool {
        environment["LISTEN_FDS"] != nil && environment["LISTEN_PID"] != String(getpid())
    }

    /// Takes the sockets that LISTEN_FDS announces to this process; none if they are meant for another process.
    ///
    /// - Throws: if the variables contradict each other or the open descriptors.
    static func take(_ environment: Environment) throws(ListenError) -> [Listener] {
        guard let count = environment["LISTEN_FDS"] else { return [] }
        guard environment["LISTEN_PID"] == String(getpid()) else { return [] }
        guard let count = Int32(count), count >= 0, count < 1000 else {
            throw .handedOver("LISTEN_FDS=\(count) is not a number of sockets")
        }
        let names = environment["LISTEN_FDNAMES"]?.split(separator: ":", omittingEmptySubsequences: false).map(
            String.init)
        if let names, names.count != Int(count), count > 0 {
            throw .handedOver("LISTEN_FDNAMES has \(names.count) names for \(count) sockets")
        }
        var listeners: [Listener] = []
        for index in 0..<Int(count) {
            let number = firstDescriptor + Int32(index)
            let flags = fcntl(number, F_GETFD)
            guard flags >= 0, fcntl(number, F_SETFD, flags | FD_CLOEXEC) >= 0 else {
                throw .handedOver("descriptor \(number) is not open")
            }
            listeners.append(
                Listener(inherited: FileDescriptor(owning: number), name: names?[index], label: "descriptor \(number)"))
        }
        return listeners
    }
}

/// Why a socket could not be opened, and what to do about it.
public enum ListenError: Error, Equatable, Sendable, CustomStringConvertible {
    case failed(address: String, SystemError)
    case inUse(path: String)
    case notASocket(path: String)
    case handedOver(String)

    public var description: String {
        switch self {
        case .failed(let address, let error):
            "cannot listen on \(address): \(error.reason)\(Self.holder(of: address, error) ?? Self.hint(error))"
        case .inUse(let path):
            "cannot listen on unix:\(path): another process listens there (stop it, or choose another path)"
        case .notASocket(let path):
            "cannot listen on unix:\(path): the file there is not a socket (move it away, or choose another path)"
        case .handedOver(let reason):
            "cannot take the sockets of LISTEN_FDS: \(reason)"
        }
    }

    /// The cause, as an error of a system call.
    var systemError: SystemError {
        switch self {
        case .failed(_, let error): error
        case .inUse(let path): SystemError(call: "bind", errno: EADDRINUSE, subject: path)
        case .notASocket(let path): SystemError(call: "bind", errno: ENOTSOCK, subject: path)
        case .handedOver: SystemError(call: "bind", errno: EBADF)
        }
    }

    /// In words: the process that listens there already.
    private static func holder(of address: String, _ error: SystemError) -> String? {
        guard error.call == "bind" || error.call == "listen", error.errno == EADDRINUSE else { return nil }
        let parsed: ListenAddress
        do throws(ConfigurationError) { parsed = try ListenAddress(parsing: address) } catch { return nil }
        return PortHolder(of: parsed).map { " by \($0.words(seenFrom: nil))" }
    }

    private static func hint(_ error: SystemError) -> String {
        switch (error.call, error.errno) {
        case ("bind", EACCES):
            " (ports below 1024 need CAP_NET_BIND_SERVICE; a path needs a writable directory)"
        case ("bind", EADDRINUSE): " (another process listens there; `ss -ltnp` shows which)"
        case ("bind", EADDRNOTAVAIL): " (this machine has no such address)"
        case ("bind", ENAMETOOLONG): " (a socket path may have at most 107 bytes)"
        case ("bind", ENOENT): " (its directory does not exist)"
        default: ""
        }
    }
}
