// Addresses of sockets as the kernel stores them: made from a `ListenAddress`, read from a socket, or given by a
// program.
internal import Glibc

struct SocketAddress {
    private var storage = sockaddr_storage()
    private(set) var length: socklen_t

    init(ipv4 address: UInt32, port: UInt16) {
        length = socklen_t(MemoryLayout<sockaddr_in>.size)
        fill(sockaddr_in.self) {
            $0.sin_family = sa_family_t(AF_INET)
            $0.sin_port = port.bigEndian
            $0.sin_addr.s_addr = address.bigEndian
        }
    }

    /// - Parameter address: 16 bytes in network order.
    init(ipv6 address: [UInt8], scope: UInt32, port: UInt16) {
        length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        fill(sockaddr_in6.self) {
            $0.sin6_family = sa_family_t(AF_INET6)
            $0.sin6_port = port.bigEndian
            $0.sin6_scope_id = scope
            withUnsafeMutableBytes(of: &$0.sin6_addr) { $0.copyBytes(from: address.prefix(16)) }
        }
    }

    /// - Parameter path: `@name` is abstract.
    /// - Throws: ENAMETOOLONG above 107 bytes.
    init(unix path: String) throws(SystemError) {
        try self.init(unix: path, isAbstract: path.utf8.first == UInt8(ascii: "@"))
    }

    /// - Parameter path: always a file, even if its name begins with `@`.
    /// - Throws: ENAMETOOLONG above 107 bytes.
    init(unixFile path: String) throws(SystemError) { try self.init(unix: path, isAbstract: false) }

    private init(unix path: String, isAbstract: Bool) throws(SystemError) {
        let bytes = Array(path.utf8)
        let room = MemoryLayout<sockaddr_un>.size - MemoryLayout<sa_family_t>.size
        guard !bytes.isEmpty, bytes.count < room else {
            throw SystemError(call: "bind", errno: ENAMETOOLONG, subject: path)
        }
        length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count + (isAbstract ? 0 : 1))
        fill(sockaddr_un.self) {
            $0.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &$0.sun_path) {
                $0.copyBytes(from: bytes)
                if isAbstract { $0[0] = 0 }
            }
        }
    }

    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }

    /// The port that a socket is bound to; nil if its family has no ports.
    static func port(of socket: borrowing FileDescriptor) throws(SystemError) -> UInt16? {
        let bytes = try bytes(of: socket)
        guard bytes.count >= 4 else { return nil }
        let family = bytes.withUnsafeBytes { $0.loadUnaligned(as: sa_family_t.self) }
        guard Int32(family) == AF_INET || Int32(family) == AF_INET6 else { return nil }
        // Both families have the port at the same place.
        return UInt16(bytes[2]) << 8 | UInt16(bytes[3])
    }

    /// The sockaddr that a socket is bound to.
    static func bytes(of socket: borrowing FileDescriptor) throws(SystemError) -> [UInt8] {
        let number = socket.number
        return try bytes("getsockname") { getsockname(number, $0, $1) }
    }

    /// The sockaddr that a socket is connected to.
    static func peerBytes(of socket: borrowing FileDescriptor) throws(SystemError) -> [UInt8] {
        let number = socket.number
        return try bytes("getpeername") { getpeername(number, $0, $1) }
    }

    private static func bytes(
        _ call: String, _ ask: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) throws(SystemError) -> [UInt8] {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        try withUnsafeMutablePointer(to: &storage) { storage throws(SystemError) in
            _ = try storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address throws(SystemError) in
                try checked(call) { ask(address, &length) }
            }
        }
        return withUnsafeBytes(of: storage) { Array($0.prefix(Int(length))) }
    }

    private mutating func fill<Kind>(_ kind: Kind.Type, _ body: (inout Kind) -> Void) {
        withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: kind, capacity: 1) { body(&$0.pointee) }
        }
    }
}

/// The address of a port that workers share, as a program gave it to bind(2).
///
/// Equal for two sockets that belong to one reuseport group.
struct SharedAddress: Codable, Hashable, CustomStringConvertible {
    /// The sockaddr as the program gave it, cut to the length that its family needs.
    let bytes: [UInt8]
    /// An IPv6 socket that takes no IPv4 connections is in another group than sockets that do.
    let isIPv6Only: Bool
    /// UDP; otherwise TCP.
    let isDatagram: Bool

    /// - Parameter raw: a sockaddr. The result is nil if it is neither of IPv4 nor of IPv6, is too short, or leaves the
    ///   port to the kernel (port 0: programs probe with it, and each wants a port of its own).
    init?(_ raw: [UInt8], isIPv6Only: Bool, isDatagram: Bool = false) {
        guard raw.count >= 2 else { return nil }
        let family = raw.withUnsafeBytes { $0.loadUnaligned(as: sa_family_t.self) }
        let size: Int
        switch Int32(family) {
        // sin_zero means nothing.
        case AF_INET: size = 8
        case AF_INET6: size = MemoryLayout<sockaddr_in6>.size
        default: return nil
        }
        let whole = Int32(family) == AF_INET ? MemoryLayout<sockaddr_in>.size : size
        guard raw.count >= whole, raw[2] != 0 || raw[3] != 0 else { return nil }
        bytes = Array(raw[..<size])
        self.isDatagram = isDatagram
        self.isIPv6Only = isIPv6Only && Int32(family) == AF_INET6
    }

    private enum CodingKeys: CodingKey {
        case bytes, isIPv6Only, isDatagram
    }

    /// - Throws: if it is no address that `init` takes.
    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        // IPv4 is kept without the zeros at its end.
        let raw = try container.decode([UInt8].self, forKey: .bytes) + [UInt8](repeating: 0, count: 8)
        let address = SharedAddress(
            raw, isIPv6Only: try container.decode(Bool.self, forKey: .isIPv6Only),
            isDatagram: try container.decode(Bool.self, forKey: .isDatagram))
        guard let address else {
            throw DecodingError.dataCorruptedError(forKey: .bytes, in: container, debugDescription: "no address")
        }
        self = address
    }

    var port: UInt16 { UInt16(bytes[2]) << 8 | UInt16(bytes[3]) }

    /// For `--no-share`: whether this is the port of `address`, on the same host or, if `address` has no host, on any.
    func matches(_ address: ListenAddress) -> Bool {
        switch address {
        case .tcpAny(let port): return !isDatagram && port == self.port
        case .udpAny(let port): return isDatagram && port == self.port
        case .tcp4(let host, let port): return !isDatagram && port == self.port && host == ipv4
        case .udp4(let host, let port): return isDatagram && port == self.port && host == ipv4
        case .tcp6(let host, _, let port): return !isDatagram && port == self.port && host == ipv6
        case .udp6(let host, _, let port): return isDatagram && port == self.port && host == ipv6
        case .unix: return false
        }
    }

    private var ipv4: UInt32? {
        guard bytes.count == 8 else { return nil }
        return bytes[4..<8].reduce(0) { $0 << 8 | UInt32($1) }
    }

    private var ipv6: [UInt8] { Array(bytes.dropFirst(8).prefix(16)) }

    var listenAddress: ListenAddress {
        switch (ipv4, isDatagram) {
        case (let host?, false): .tcp4(address: host, port: port)
        case (let host?, true): .udp4(address: host, port: port)
        case (nil, false): .tcp6(address: ipv6, scope: 0, port: port)
        case (nil, true): .udp6(address: ipv6, scope: 0, port: port)
        }
    }

    var description: String { "\(listenAddress)" }
}
