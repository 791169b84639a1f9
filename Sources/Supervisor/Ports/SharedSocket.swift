// A listening socket that a worker made, and that the daemon holds too, so that its accept queue outlives the worker.
internal import CLinux
internal import Glibc
internal import Reloader

final class SharedSocket {
    /// Our own descriptor of the worker's socket. Watched for connections that nobody accepts.
    let channel: Channel
    let address: SharedAddress
    let inode: UInt64
    let slot: Int
    /// nil: its worker is gone, or has closed it, and what waits in its queue waits for another. A process that
    /// outlives its worker may listen as well: what it has is nobody's when the worker is forgotten.
    private(set) weak var owner: WorkerProcess?
    /// Where it was seen last among the descriptors of the owner's processes.
    private var place: SocketSearch.Place?
    /// It is a member of its address's group.
    var isListening = false
    let listensSince: Instant
    private var refuses = false

    init(
        _ descriptor: consuming FileDescriptor, address: SharedAddress, inode: UInt64, owner: WorkerProcess,
        place: SocketSearch.Place, at now: Instant
    ) {
        channel = Channel(descriptor)
        self.address = address
        self.inode = inode
        slot = owner.slot
        self.owner = owner
        self.place = place
        listensSince = now
    }

    /// A slot's own listener, which the daemon has opened and which no worker owns.
    init(listening descriptor: consuming FileDescriptor, slot: Int) throws(SystemError) {
        let raw = try SocketAddress.bytes(of: descriptor)
        guard let address = SharedAddress(raw, isIPv6Only: false) else {
            throw SystemError(call: "getsockname", errno: EAFNOSUPPORT)
        }
        channel = Channel(descriptor)
        self.address = address
        inode = 0
        self.slot = slot
        listensSince = Instant(nanoseconds: 0)
    }

    var number: Int32 { channel.number }

    // MARK: who has it

    /// The worker has it, in that place.
    func belongs(to worker: WorkerProcess, in place: SocketSearch.Place) {
        owner = worker
        self.place = place
    }

    /// No worker has it any more.
    func loseOwner() {
        owner = nil
        place = nil
    }

    /// Its owner has closed it. What it still has costs one system call.
    ///
    /// - Parameter kin: processes that may have been started by the worker's own before those ended.
    func isClosed(kin: () -> [Int32]?) -> Bool {
        guard let owner else { return true }
        if let place, place.stillHas(inode) { return false }
        switch SocketSearch.search(inode, of: owner.pid, kin: kin()) {
        case .found(let place):
            self.place = place
            return false
        case .nowhere: return true
        case .unknown: return false
        }
    }

    // MARK: its queue

    /// Connections that wait to be accepted (1 for any number of datagrams); nil when the socket does not listen (any
    /// more).
    var queue: Int? {
        if address.isDatagram {
            var bytes: Int32 = 0
            return ioctl(number, UInt(FIONREAD), &bytes) == 0 && bytes > 0 ? 1 : 0
        }
        var state = rl_tcp()
        guard rl_tcp_state(number, &state) == 0, state.state == UInt8(TCP_LISTEN) else { return nil }
        return Int(state.queue)
    }

    var isQueueEmpty: Bool { (queue ?? 0) == 0 }

    /// Lets nobody new in; what is there already goes on. Senders try again after a second or more.
    func refuse() throws(SystemError) {
        if refuses { return }
        try checked("setsockopt", "SO_ATTACH_FILTER") { rl_refuse_connections(number, address.isDatagram) }
        refuses = true
    }

    /// Ends `refuse`.
    func admit() throws(SystemError) {
        if !refuses { return }
        try checked("setsockopt", "SO_DETACH_FILTER") { rl_admit_connections(number) }
        refuses = false
    }

    /// Makes it leave the kernel's group, whoever else may still hold a descriptor of it. What waits in its queue is
    /// reset, or goes to others of the group where net.ipv4.tcp_migrate_req says so.
    func shutDown() {
        // A datagram socket leaves with its last descriptor.
        if !address.isDatagram { _ = shutdown(number, Int32(SHUT_RDWR)) }
    }
}
