// A listening socket that a worker made, and that the daemon holds too, so that its accept queue outlives the worker.
internal import CLinux
internal import Glibc
internal import Reloader

final class SharedSocket {
    /// Our own descriptor of the worker's socket.
    let descriptor: FileDescriptor
    let address: SharedAddress
    let inode: ino_t
    let slot: Int
    /// nil: its worker is gone, and what waits in its queue waits for another.
    var owner: WorkerID?
    /// It is a member of its address's group.
    var isListening = false

    init(_ descriptor: consuming FileDescriptor, address: SharedAddress, inode: ino_t, slot: Int, owner: WorkerID) {
        self.descriptor = descriptor
        self.address = address
        self.inode = inode
        self.slot = slot
        self.owner = owner
    }

    /// A slot's own listener, which the daemon has opened and which no worker owns.
    init(listening descriptor: consuming FileDescriptor, slot: Int) throws(SystemError) {
        let raw = try SocketAddress.bytes(of: descriptor)
        guard let address = SharedAddress(raw, isIPv6Only: false) else {
            throw SystemError(call: "getsockname", errno: EAFNOSUPPORT)
        }
        self.descriptor = descriptor
        self.address = address
        inode = 0
        self.slot = slot
        owner = nil
    }

    /// Connections that wait to be accepted (1 for any number of datagrams); nil when the socket does not listen (any more).
    var queue: Int? {
        if address.isDatagram {
            var bytes: Int32 = 0
            return ioctl(descriptor.number, UInt(FIONREAD), &bytes) == 0 && bytes > 0 ? 1 : 0
        }
        var state = rl_tcp()
        guard rl_tcp_state(descriptor.number, &state) == 0, state.state == UInt8(TCP_LISTEN) else { return nil }
        return Int(state.queue)
    }

    /// Makes it leave the kernel's group, whoever else may still hold a descriptor of it. What waits in its queue is reset.
    func shutDown() {
        // A datagram socket leaves with its last descriptor.
        if !address.isDatagram { _ = shutdown(descriptor.number, Int32(SHUT_RDWR)) }
    }
}
