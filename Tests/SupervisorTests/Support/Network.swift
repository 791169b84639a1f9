// Ports and plain requests over loopback.
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

    /// What the server at this port answers to a GET, whole, or nil where it does not.
    static func get(_ port: Int, _ path: String = "/") -> String? { Client.get(.ipv4("127.0.0.1", port), path) }
}
