// Finds the process that has a TCP port: looks up the port in the kernel's table of sockets, then the socket among the
// descriptors of all processes.
internal import CLinux
internal import Glibc

public struct PortHolder: Sendable {
    public let pid: Int32
    public let parent: Int32?
    /// The short name of the process's program.
    public let command: String
    /// The name of the daemon that started the process; nil if it is not a worker.
    private let daemon: String?
    /// Whether no daemon is among the process's ancestors.
    private let isOrphan: Bool

    /// nil if no process listens there, or if the process that does can't be looked at. This may wait for the process:
    /// it is for commands, and for the daemon's start.
    public init?(of address: ListenAddress) {
        self.init(of: address) { name, pid in
            let variables = ProcessTree.environment(of: pid).map { String(decoding: $0, as: UTF8.self) }
            return variables.first { $0.hasPrefix("\(name)=") }.map { String($0.dropFirst(name.utf8.count + 1)) }
        }
    }

    /// - Parameter variable: finds the value of an environment variable of a process.
    init?(of address: ListenAddress, variable: (_ name: String, _ pid: Int32) -> String?) {
        let table: SocketTable
        do throws(SystemError) { table = try SocketTable() } catch { return nil }
        let inodes = Set(table.all.lazy.filter { $0.listens && address.isTaken(by: $0) }.map { $0.inode })
        guard !inodes.isEmpty, let pid = Self.process(with: inodes) else { return nil }
        self.pid = pid
        parent = ProcessTree.parent(of: pid)
        command = ProcessTree.name(of: pid).map { printable(String($0)) } ?? "?"
        daemon = variable("RELOADERD_NAME", pid)
        isOrphan = !Self.hasDaemonAbove(pid)
    }

    /// `python3 (pid 123)`, and a remark if it is left over from a dead daemon.
    public func words(seenFrom name: String?) -> String {
        let process = "\(command) (pid \(pid))"
        guard let daemon, isOrphan else { return process }
        let whose = daemon == name ? "this name" : "the name \(printable(daemon))"
        return "\(process), left over from a dead daemon of \(whose): end it with kill \(pid)"
    }

    /// The descendants of a worker hold its sockets too: the process with the lowest PID counts.
    private static func process(with inodes: Set<UInt64>) -> Int32? {
        let pids = ProcessTree.all.sorted()
        return pids.first { pid in OpenSockets.all(of: pid).contains { inodes.contains($0.inode) } }
    }

    private static func hasDaemonAbove(_ pid: Int32) -> Bool {
        var pid = pid
        // Bounded, since the chain of processes may change while it is followed.
        for _ in 0..<64 {
            guard let parent = ProcessTree.parent(of: pid), parent > 0 else { return false }
            if ProcessTree.name(of: parent) == "reloaderd" { return true }
            pid = parent
        }
        return false
    }
}

extension ListenAddress {
    /// nil for a unix socket: the table does not have its name.
    init?(_ socket: rl_socket) {
        let port = UInt16(truncatingIfNeeded: socket.address)
        let host = withUnsafeBytes(of: socket.host) { Array($0) }
        switch Int32(socket.family) {
        case AF_INET: self = .tcp4(address: host[..<4].reduce(0) { $0 << 8 | UInt32($1) }, port: port)
        case AF_INET6: self = .tcp6(address: host, scope: 0, port: port)
        default: return nil
        }
    }

    /// Whether this socket keeps others from listening on the address.
    fileprivate func isTaken(by socket: rl_socket) -> Bool {
        guard let other = ListenAddress(socket), let port = other.port else { return false }
        switch self {
        case .tcpAny(port): return true
        case .tcp4(let host, port): return host == 0 || other.isWildcard || self == other
        case .tcp6(let host, _, port):
            guard case .tcp6(let otherHost, _, _) = other else { return isWildcard }
            return isWildcard || other.isWildcard || host == otherHost
        default: return false
        }
    }

    private var isWildcard: Bool {
        switch self {
        case .tcpAny: true
        case .tcp4(let host, _): host == 0
        case .tcp6(let host, _, _): host.allSatisfy { $0 == 0 }
        default: false
        }
    }
}
