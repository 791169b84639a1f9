// Ports and plain requests over loopback.
import Glibc

enum Network {
    /// A TCP port of 127.0.0.1 that nobody had a moment ago. Below those that the kernel gives to clients by itself: the
    /// next connection of any test could be given it otherwise.
    static func freePort() throws -> Int {
        for _ in 1...1000 {
            let port = Int.random(in: 10_000..<32_000)
            if isFree(port) { return port }
        }
        throw DidNotHappen(description: "no free port: \(String(cString: strerror(errno)))")
    }

    private static func isFree(_ port: Int) -> Bool {
        let number = socket(AF_INET, streamType, 0)
        defer { close(number) }
        return withAddress(port) { bind(number, $0, $1) == 0 }
    }

    /// Not to be had by the children of tests that run at the same time.
    private static let streamType = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)

    private static func withAddress<Result>(_ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result)
        -> Result
    {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }

    /// What the server at this port answers to a GET, whole, or nil where it does not.
    static func get(_ port: Int, _ path: String = "/") -> String? {
        let number = socket(AF_INET, streamType, 0)
        defer { close(number) }
        let connected = withAddress(port) { connect(number, $0, $1) }
        guard connected == 0 else { return nil }
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
}
