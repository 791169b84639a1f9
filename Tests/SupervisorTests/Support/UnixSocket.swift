// A unix socket of a test's own, to be in the daemon's way.
import Glibc

enum UnixSocket {
    /// Listens at `path`, which becomes stale when the descriptor is closed.
    static func listening(at path: String) throws -> Int32 {
        let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var (address, length) = Client.unixAddress(path)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(number, $0, length) == 0 ? listen(number, 1) : -1
            }
        }
        guard result == 0 else {
            throw DidNotHappen(description: "cannot listen at \(path): \(String(cString: strerror(errno)))")
        }
        return number
    }
}
