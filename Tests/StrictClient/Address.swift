// Where the server listens: numeric TCP addresses and unix sockets.
import Glibc

struct Address {
    /// As written, for the Host header and messages.
    let text: String
    let family: Int32
    private var storage = sockaddr_storage()
    private var length: socklen_t = 0

    init(_ text: String) throws(UsageError) {
        self.text = text
        if text.hasPrefix("unix:") {
            family = AF_UNIX
            try setUnix(path: Array(text.dropFirst("unix:".count).utf8))
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            throw UsageError("--address \(text): not ADDRESS:PORT or unix:/path")
        }
        let host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            family = AF_INET6
            try setIPv6(host: String(host.dropFirst().dropLast()), port: port)
        } else {
            family = AF_INET
            try setIPv4(host: host, port: port)
        }
    }

    /// connect(2); 0 or -1 with errno.
    func connect(_ descriptor: Int32) -> Int32 {
        withUnsafePointer(to: storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, length) }
        }
    }

    private mutating func setIPv4(host: String, port: UInt16) throws(UsageError) {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        guard inet_pton(AF_INET, host == "localhost" ? "127.0.0.1" : host, &address.sin_addr) == 1 else {
            throw UsageError("--address \(text): \(host) is not a numeric IPv4 address")
        }
        store(address)
    }

    private mutating func setIPv6(host: String, port: UInt16) throws(UsageError) {
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = port.bigEndian
        guard inet_pton(AF_INET6, host, &address.sin6_addr) == 1 else {
            throw UsageError("--address \(text): \(host) is not a numeric IPv6 address")
        }
        store(address)
    }

    /// `@name` is an abstract address (unix(7)): a NUL first, and no NUL at the end.
    private mutating func setUnix(path: [UInt8]) throws(UsageError) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard !path.isEmpty, path.count < capacity else {
            throw UsageError("--address \(text): a path has 1 to \(capacity - 1) bytes")
        }
        let isAbstract = path[0] == UInt8(ascii: "@")
        withUnsafeMutableBytes(of: &address.sun_path) { bytes in
            bytes.copyBytes(from: path)
            if isAbstract { bytes[0] = 0 }
        }
        store(address)
        let pathOffset = MemoryLayout<sockaddr_un>.size - capacity
        length = socklen_t(pathOffset + path.count + (isAbstract ? 0 : 1))
    }

    private mutating func store<T>(_ address: T) {
        withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: address, as: T.self) }
        length = socklen_t(MemoryLayout<T>.size)
    }
}
