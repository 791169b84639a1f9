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
    /// Why the caller's socket was not looked at.
    enum Obstacle: Error, Equatable {
        /// The caller has ended, has no PID here (in a PID namespace beside the daemon's), or can't be reached; or the
        /// call does not name a socket. The kernel returns the right error.
        case unreachable
        /// The calling thread has a descriptor table of its own, which kernels before Linux 6.9 don't show.
        case ownTable
        /// There is no room for a look, which says nothing of the call.
        case shortage(SystemError)

        init(_ error: SystemError) { self = error.isShortage ? .shortage(error) : .unreachable }
    }

    /// The bytes of a sockaddr_storage: anything longer is not an address.
    private static let addressBytesMax: UInt64 = 128

    /// The thread that calls. It may have descriptors of its own (unshare(2)), and outlive the first thread of its
    /// process: what /proc says of its descriptors is asked of it alone.
    let thread: Int32
    /// The descriptor that the call names.
    let descriptor: Int32
    /// For bind: the sockaddr, as it was in the caller's memory.
    let address: [UInt8]?
    private let call: WaitingCall
    private let notifications: Int32
    private let pidfd: FileDescriptor

    init(_ call: WaitingCall, _ notifications: Int32) throws(Obstacle) {
        guard call.thread > 0 else { throw .unreachable }
        let opened = try Self.open(call)
        let address = Self.address(of: call)
        guard rl_call_is_pending(notifications, call.id) else { throw .unreachable }
        pidfd = opened
        self.address = address
        self.call = call
        self.notifications = notifications
        thread = call.thread
        descriptor = call.descriptor
    }

    private static func open(_ call: WaitingCall) throws(Obstacle) -> FileDescriptor {
        do throws(SystemError) {
            return FileDescriptor(owning: try checked("pidfd_open") { rl_open_thread(call.thread) })
        } catch {
            guard error.errno == EINVAL || error.errno == ENOENT else { throw Obstacle(error) }
        }
        // Before Linux 6.9 there is only the table of the process' first thread. It will do if the same socket stands
        // in both.
        guard let process = ProcessTree.process(ofThread: call.thread),
            let inode = OpenSockets.inode(of: call.thread, call.descriptor)
        else { throw .unreachable }
        guard OpenSockets.inode(of: process, call.descriptor) == inode else { throw .ownTable }
        do throws(SystemError) {
            return FileDescriptor(owning: try checked("pidfd_open") { rl_pidfd_open(process) })
        } catch { throw Obstacle(error) }
    }

    /// bind: the sockaddr; nil if it can't be read.
    static func address(of call: WaitingCall) -> [UInt8]? {
        guard call.binds, call.number >= 2, call.number <= addressBytesMax else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(call.number))
        let count = rl_read_memory(call.thread, call.address, &bytes, bytes.count)
        return count == bytes.count ? bytes : nil
    }

    /// The socket on which bind or listen was called.
    func socket() throws(Obstacle) -> TakenSocket { try TakenSocket(descriptor, of: pidfd.number) }

    /// Where the socket is now.
    var place: SocketSearch.Place { SocketSearch.Place(process: thread, descriptor: descriptor) }

    /// Replaces the socket that the call names by `socket`.
    func replaceSocket(by socket: borrowing FileDescriptor) throws(SystemError) {
        let closes = ProcessTree.closesOnExec(thread, descriptor)
        // Some programs have added the descriptor to an epoll already, which would go on waiting for the replaced
        // socket.
        let pollings = ProcessTree.pollings(of: thread, descriptor)
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

    /// - Throws: `unreachable` if the worker has no such descriptor, or it is not a socket.
    init(_ number: Int32, of pidfd: Int32) throws(Caller.Obstacle) {
        let copy: Int32
        do throws(SystemError) { copy = try checked("pidfd_getfd") { rl_take_descriptor(pidfd, number) } } catch {
            throw Caller.Obstacle(error)
        }
        let descriptor = FileDescriptor(owning: copy)
        var status = stat()
        guard fstat(copy, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { throw .unreachable }
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
