// A listening socket of a test's own: to hand over, to play a server with, or to be in the daemon's way.
import Glibc

final class TestListener {
    let number: Int32
    /// 0: it is a unix socket.
    let port: Int

    /// Listens on a free port of 127.0.0.1.
    ///
    /// - Parameter listens: false: it holds the port, and a client that connects is refused.
    init(listens: Bool = true) throws {
        number = socket(AF_INET, Self.streamType, 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { [number] in
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(number, $0, length) == 0 && getsockname(number, $0, &length) == 0
            }
        }
        port = Int(UInt16(bigEndian: address.sin_port))
        guard isBound, !listens || listen(number, Self.backlog) == 0 else {
            throw DidNotHappen(description: "cannot listen on a port: \(String(cString: strerror(errno)))")
        }
    }

    /// Listens at a path, or at an abstract name with '@'. A path is left behind, stale.
    init(at path: String) throws {
        number = socket(AF_UNIX, Self.streamType, 0)
        port = 0
        let (address, length) = Client.unixAddress(path)
        let isBound = withUnsafePointer(to: address) { [number] in
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(number, $0, length) == 0 }
        }
        guard isBound, listen(number, Self.backlog) == 0 else {
            throw DidNotHappen(description: "cannot listen at \(path): \(String(cString: strerror(errno)))")
        }
    }

    /// Leaves a socket file on which nobody listens.
    static func leaveStale(at path: String) throws { _ = try TestListener(at: path) }

    /// The descriptor of the next connection, which is the caller's.
    func accept() throws -> Int32 {
        try Patience.waitForInput(on: number, orSay: "nobody connects")
        // accept4(2) is missing in Swift's Glibc: no child may start before this is close-on-exec.
        let accepted = SpawnLock.hold {
            let accepted = Glibc.accept(number, nil, nil)
            _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
            return accepted
        }
        guard accepted >= 0 else {
            throw DidNotHappen(description: "cannot accept: \(String(cString: strerror(errno)))")
        }
        return accepted
    }

    private static let streamType = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    private static let backlog: Int32 = 128

    deinit { close(number) }
}
