// Listeners of --listen that an earlier run of this daemon has left in the service manager's descriptor store: between
// two runs, connections wait in their queues. They come among the sockets of LISTEN_FDS, and their names tell them
// apart from those of a socket unit.
internal import CLinux
internal import Glibc

struct StoredListeners {
    /// An inode's number follows, which no other socket has as long as this one is open.
    private static let prefix = "reloaderd-listener-"

    /// Those that no `--listen` has asked for.
    private var left: [Listener] = []
    /// The names of those that this run has no use for: the manager is to let go of them.
    private(set) var unwanted: [String] = []

    static func name(ofInode inode: UInt64) -> String { prefix + String(inode) }

    /// Keeps those that are an earlier run's, and returns the others.
    mutating func sort(_ inherited: [Listener]) -> [Listener] {
        left = inherited.filter { $0.name?.hasPrefix(Self.prefix) ?? false }
        return inherited.filter { !($0.name?.hasPrefix(Self.prefix) ?? false) }
    }

    /// Lets go of those that are open at none of these addresses. To be called before any is opened: they may be in the
    /// way, for as long as the manager has not closed its copies.
    mutating func keep(for specs: [ListenSpec]) {
        for listener in left where !specs.contains(where: { Self.fits($0, listener) }) {
            unwanted += [listener.name].compactMap { $0 }
            // A datagram socket has nothing to shut down, and a stream socket that is none is in nobody's way.
            shutdown(listener.descriptor.number, Int32(SHUT_RDWR))
        }
        left.removeAll { listener in !specs.contains { Self.fits($0, listener) } }
    }

    /// The listener that was opened for this address; nil if there is none.
    ///
    /// - Parameter reusesPort: other sockets are to be opened on the same address. Such a listener is not stored again.
    mutating func take(for spec: ListenSpec, backlog: Int32, reusesPort: Bool) throws(ListenError) -> Listener? {
        guard let place = left.firstIndex(where: { Self.fits(spec, $0) }) else { return nil }
        let stored = left.remove(at: place)
        if reusesPort { unwanted += [stored.name].compactMap { $0 } }
        do throws(SystemError) {
            return try Listener(stored: stored, for: spec, backlog: backlog, reusesPort: reusesPort)
        } catch { throw .failed(address: "\(spec.address)", error) }
    }

    private static func fits(_ spec: ListenSpec, _ listener: Listener) -> Bool {
        // The kernel chooses another one each time.
        guard spec.address.port != 0 else { return false }
        do throws(SystemError) { return try ListenAddress(of: listener.descriptor) == spec.address } catch {
            return false
        }
    }
}

extension ListenAddress {
    /// Where a socket of --listen is open; nil if it is not open there as the daemon would open it.
    fileprivate init?(of socket: borrowing FileDescriptor) throws(SystemError) {
        let bytes = try SocketAddress.bytes(of: socket)
        guard bytes.count > MemoryLayout<sa_family_t>.size else { return nil }
        let isStream = try Self.option(SO_TYPE, of: socket) == Int32(SOCK_STREAM.rawValue)
        if isStream, try Self.option(SO_ACCEPTCONN, of: socket) == 0 { return nil }
        let family = bytes.withUnsafeBytes { $0.loadUnaligned(as: sa_family_t.self) }
        let port = bytes.count >= 4 ? UInt16(bytes[2]) << 8 | UInt16(bytes[3]) : 0
        switch Int32(family) {
        case AF_INET where bytes.count >= 8:
            let host = bytes[4..<8].reduce(0) { $0 << 8 | UInt32($1) }
            self = isStream ? .tcp4(address: host, port: port) : .udp4(address: host, port: port)
        case AF_INET6 where bytes.count >= MemoryLayout<sockaddr_in6>.size:
            let host = Array(bytes[8..<24])
            let scope = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 24, as: UInt32.self) }
            if try Self.option(IPV6_V6ONLY, Int32(IPPROTO_IPV6), of: socket) == 0 {
                guard host.allSatisfy({ $0 == 0 }) else { return nil }
                self = isStream ? .tcpAny(port: port) : .udpAny(port: port)
            } else {
                self =
                    isStream
                    ? .tcp6(address: host, scope: scope, port: port) : .udp6(address: host, scope: scope, port: port)
            }
        case AF_UNIX where bytes[2] == 0:
            self = .unix(path: "@" + String(decoding: bytes[3...], as: UTF8.self))
        default: return nil
        }
    }

    private static func option(
        _ name: Int32, _ level: Int32 = SOL_SOCKET, of socket: borrowing FileDescriptor
    ) throws(SystemError) -> Int32 {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        let number = socket.number
        try checked("getsockopt") { getsockopt(number, level, name, &value, &length) }
        return value
    }
}
