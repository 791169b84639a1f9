// A listener of the worker's own, for running it by hand.
import Glibc

enum OwnListener {
    /// Listens on 127.0.0.1 and says where.
    static func open(port: UInt16) throws(Failure) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failure("cannot make a socket", code: errno) }
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))

        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                if bind(descriptor, address, length) != 0 || listen(descriptor, 4096) != 0 { return errno }
                return getsockname(descriptor, address, &length) == 0 ? 0 : errno
            }
        }
        guard result == 0 else {
            throw Failure(
                "cannot listen on 127.0.0.1:\(port)", code: result,
                hint: result == EADDRINUSE ? " (several workers share one port with reloaderd --listen)" : "")
        }
        report("listening on 127.0.0.1:\(UInt16(bigEndian: address.sin_port))")
        return descriptor
    }
}
