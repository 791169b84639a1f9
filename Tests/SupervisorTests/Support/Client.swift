// One request to whatever kind of address a listener has.
import Glibc

enum Client {
    enum Address {
        case ipv4(String, Int)
        case ipv6(String, Int)
        /// A path, or an abstract name with '@'.
        case unix(String)
    }

    /// The answer to a GET, whole; nil where nobody answers.
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

    /// The descriptor, which is the caller's; negative where nobody listens.
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
