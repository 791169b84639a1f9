// A copy of a worker's descriptor, taken by pidfd_getfd(2), and what can be asked of it.
internal import CLinux
internal import Glibc

struct TakenSocket: ~Copyable {
    let descriptor: FileDescriptor
    let inode: UInt64

    /// nil where the worker has no such descriptor, or it is no socket.
    init?(_ number: Int32, of pidfd: Int32) {
        let copy = rl_take_descriptor(pidfd, number)
        guard copy >= 0 else { return nil }
        let descriptor = FileDescriptor(owning: copy)
        var status = stat()
        guard fstat(copy, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return nil }
        inode = UInt64(status.st_ino)
        self.descriptor = descriptor
    }

    var isTCP: Bool {
        option(SOL_SOCKET, SO_TYPE) == Int32(SOCK_STREAM.rawValue)
            && option(SOL_SOCKET, SO_PROTOCOL) == Int32(IPPROTO_TCP)
    }

    var isUDP: Bool {
        option(SOL_SOCKET, SO_TYPE) == Int32(SOCK_DGRAM.rawValue)
            && option(SOL_SOCKET, SO_PROTOCOL) == Int32(IPPROTO_UDP)
    }

    /// The program itself has asked to share the port among its own sockets.
    var reusesPort: Bool { option(SOL_SOCKET, SO_REUSEPORT) == 1 }

    var isIPv6Only: Bool { option(Int32(IPPROTO_IPV6), IPV6_V6ONLY) == 1 }

    private func option(_ level: Int32, _ name: Int32) -> Int32? {
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor.number, level, name, &value, &size) == 0 ? value : nil
    }
}

extension TakenSocket {
    consuming func takeDescriptor() -> FileDescriptor { descriptor }
}
