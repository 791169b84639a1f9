// The address of a port that workers share, as a program gave it to bind(2).
internal import Glibc

/// Equal for two sockets that belong to one reuseport group.
struct SharedAddress: Hashable, CustomStringConvertible {
    /// As the program gave it, cut to what its family has.
    let bytes: [UInt8]
    /// An IPv6 socket that takes no IPv4 connections is no member of a group of those that do.
    let isIPv6Only: Bool
    /// UDP, else TCP.
    let isDatagram: Bool

    /// - Parameter raw: a sockaddr; nil for one that is neither of IPv4 nor of IPv6, is too short, or leaves the port
    ///   to the kernel (port 0: programs probe with it, and each means a port of its own).
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

    var port: UInt16 { UInt16(bytes[2]) << 8 | UInt16(bytes[3]) }

    /// For `--no-share`: the same port, at this address or at any.
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
