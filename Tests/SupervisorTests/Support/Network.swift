// Ports, and requests to whatever kind of address a listener has.
import Glibc

enum Network {
    /// A TCP port of 127.0.0.1 that nobody had a moment ago. Below those that the kernel gives to clients by itself:
    /// the next connection of any test could be given it otherwise.
    static func freePort() throws -> Int {
        for _ in 1...1000 {
            let port = Int.random(in: 10_000..<32_000)
            if isFree(port) { return port }
        }
        throw DidNotHappen(description: "no free port: \(String(cString: strerror(errno)))")
    }

    /// The first of `count` ports in a row that nobody had a moment ago. Above those that the kernel gives to clients,
    /// where no other test takes any.
    static func freePorts(_ count: Int) throws -> Int {
        for _ in 1...1000 {
            let first = Int.random(in: 61_000...65_535 - count)
            if (first..<first + count).allSatisfy(isFree) { return first }
        }
        throw DidNotHappen(description: "no \(count) free ports in a row")
    }

    private static func isFree(_ port: Int) -> Bool {
        let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { close(number) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    /// What the server at this port answers to a GET, whole; nil if it gives none.
    static func get(_ port: Int, _ path: String = "/") -> String? { Client.get(.ipv4("127.0.0.1", port), path) }
}

/// One request to whatever kind of address a listener has.
enum Client {
    enum Address {
        case ipv4(String, Int)
        case ipv6(String, Int)
        /// A path, or an abstract name with '@'.
        case unix(String)
    }

    /// The answer to a GET, whole; nil if nobody answers.
    static func get(_ address: Address, _ path: String = "/") -> String? {
        let number = connected(address)
        if number < 0 { return nil }
        defer { close(number) }
        let request = Array("GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8)
        guard write(number, request, request.count) == request.count else { return nil }
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(number, &chunk, chunk.count)
            if count < 0 { return nil }
            if count == 0 { return answer.isEmpty ? nil : String(decoding: answer, as: UTF8.self) }
            answer += chunk[..<count]
        }
    }

    /// The descriptor, which is the caller's; negative if nobody listens.
    static func connected(_ address: Address, _ type: __socket_type = SOCK_STREAM) -> Int32 {
        switch address {
        case .ipv4(let host, let port):
            var value = sockaddr_in()
            value.sin_family = sa_family_t(AF_INET)
            value.sin_port = UInt16(port).bigEndian
            guard inet_pton(AF_INET, host, &value.sin_addr) == 1 else { return -1 }
            return connected(AF_INET, type, value, socklen_t(MemoryLayout<sockaddr_in>.size))
        case .ipv6(let host, let port):
            var value = sockaddr_in6()
            value.sin6_family = sa_family_t(AF_INET6)
            value.sin6_port = UInt16(port).bigEndian
            guard inet_pton(AF_INET6, host, &value.sin6_addr) == 1 else { return -1 }
            return connected(AF_INET6, type, value, socklen_t(MemoryLayout<sockaddr_in6>.size))
        case .unix(let path):
            let (value, length) = unixAddress(path)
            return connected(AF_UNIX, type, value, length)
        }
    }

    static func unixAddress(_ path: String) -> (sockaddr_un, socklen_t) {
        var value = sockaddr_un()
        value.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(path.utf8)
        if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 } else { bytes.append(0) }
        withUnsafeMutableBytes(of: &value.sun_path) { $0.copyBytes(from: bytes.prefix($0.count)) }
        return (value, socklen_t(MemoryLayout<sa_family_t>.size + bytes.count))
    }

    private static func connected<Value>(
        _ family: Int32, _ type: __socket_type, _ value: Value, _ length: socklen_t
    ) -> Int32 {
        let number = socket(family, Int32(type.rawValue | SOCK_CLOEXEC.rawValue), 0)
        let result = withUnsafePointer(to: value) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(number, $0, length) }
        }
        if result == 0 { return number }
        close(number)
        return -1
    }
}
