// The process that waits in a call of bind(2) or listen(2): a worker or a descendant of one, however it was started.
//
// No other process can be the caller: the filter that reports calls to this worker's notification descriptor was put on
// the worker before its exec, and a process has it only if it inherited it across fork(2) (seccomp(2)). So the report
// itself proves the descent, even if the parents of the process are gone. It remains to be proven that the PID names
// the caller, and not a process that was given this PID later: the call must still wait after the caller was opened and
// its memory was read.
internal import CLinux
internal import Glibc

struct Caller: ~Copyable {
    /// The bytes of a sockaddr_storage: anything longer is not an address.
    private static let addressBytesMax: UInt64 = 128

    /// The process that the calling thread belongs to.
    let process: Int32
    /// The descriptor that the call names.
    let descriptor: Int32
    /// For bind: the sockaddr, as it was in the caller's memory.
    let address: [UInt8]?
    private let call: rl_call
    private let notifications: Int32
    private let pidfd: FileDescriptor

    /// nil if the caller has ended, has no PID here (in a PID namespace beside the daemon's), or can't be reached.
    init?(_ call: rl_call, _ notifications: Int32) {
        guard call.thread > 0, let process = ProcessTree.process(ofThread: call.thread) else { return nil }
        // A thread may have descriptors of its own (unshare(2)).
        var number = rl_open_thread(call.thread)
        if number < 0 { number = rl_pidfd_open(process) }
        guard number >= 0 else { return nil }
        let opened = FileDescriptor(owning: number)
        let address = call.binds ? Self.address(call) : nil
        guard rl_call_is_pending(notifications, call.id) else { return nil }
        pidfd = opened
        self.address = address
        self.process = process
        self.call = call
        self.notifications = notifications
        descriptor = call.descriptor
    }

    private static func address(_ call: rl_call) -> [UInt8]? {
        guard call.number >= 2, call.number <= addressBytesMax else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(call.number))
        let count = rl_read_memory(call.thread, call.address, &bytes, bytes.count)
        return count == bytes.count ? bytes : nil
    }

    /// The socket on which bind or listen was called.
    func socket() -> TakenSocket? { TakenSocket(descriptor, of: pidfd.number) }

    /// Replaces the socket that the call names by `socket`.
    func replaceSocket(by socket: borrowing FileDescriptor) throws(SystemError) {
        let closes = ProcessTree.closesOnExec(process, descriptor)
        // Some programs have added the descriptor to an epoll already, which would go on waiting for the replaced
        // socket.
        let pollings = ProcessTree.pollings(of: process, descriptor)
        let number = socket.number
        try checked("ioctl", "SECCOMP_IOCTL_NOTIF_ADDFD") {
            rl_replace_descriptor(notifications, call.id, number, descriptor, closes)
        }
        for polling in pollings {
            let copy = try checked("pidfd_getfd", "an epoll") { rl_take_descriptor(pidfd.number, polling.epoll) }
            let epoll = FileDescriptor(owning: copy)
            try checked("epoll_ctl", "of the worker") {
                rl_poll_as(epoll.number, number, descriptor, polling.events, polling.data)
            }
        }
    }
}

/// A copy of a worker's socket, taken by pidfd_getfd(2), and the socket's properties.
struct TakenSocket: ~Copyable {
    let descriptor: FileDescriptor
    let inode: UInt64

    /// nil if the worker has no such descriptor, or it is not a socket.
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

    /// Whether the program itself has asked to share the port among its own sockets.
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
