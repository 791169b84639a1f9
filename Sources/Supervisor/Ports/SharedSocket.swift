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
    func isClosed(kin: () -> [Int32]) -> Bool {
        guard let owner else { return true }
        if let place, place.stillHas(inode) { return false }
        switch SocketSearch.search(inode, roots: [owner.pid] + kin()) {
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

/// Whether a worker still has a socket open: asked of all its processes. "Nobody has it" is said on proof only, because
/// what follows from it (its connections are given to others, or refused) can't be taken back.
enum SocketSearch {
    /// Where a process has the socket.
    struct Place: Equatable {
        var process: Int32
        var descriptor: Int32

        /// The descriptor is still that socket. One system call, where a search reads all descriptors of all processes.
        func stillHas(_ inode: UInt64) -> Bool { OpenSockets.inode(of: process, descriptor) == inode }
    }

    enum Result: Equatable {
        case found(Place)
        /// No process of the worker has it, nor is it on its way from one to another.
        case nowhere
        /// Some process could not be looked at, or a descriptor is on its way.
        case unknown
    }

    /// - Parameter roots: the worker, and processes that may have been its children before their parents ended.
    static func search(_ inode: UInt64, roots: [Int32]) -> Result {
        let first = look(inode, roots, orOnItsWay: false)
        guard first == .nowhere else { return first }
        // A process that was forked while we looked may have been missed, with its parent's descriptor closed
        // meanwhile. It is there now.
        return look(inode, roots, orOnItsWay: true)
    }

    private static func look(_ inode: UInt64, _ roots: [Int32], orOnItsWay: Bool) -> Result {
        let processes = roots.flatMap { ProcessTree.processes(of: $0) }
        var isComplete = processes.count < ProcessTree.processesMax
        for process in processes {
            guard let sockets = OpenSockets.look(at: process) else {
                isComplete = false
                continue
            }
            if let socket = sockets.first(where: { $0.inode == inode }) {
                return .found(Place(process: process, descriptor: socket.descriptor))
            }
            // One process alone has nobody to send a descriptor to.
            if orOnItsWay, processes.count > 1,
                sockets.contains(where: { ProcessTree.sendsDescriptors(process, over: $0.descriptor) })
            {
                isComplete = false
            }
        }
        return isComplete ? .nowhere : .unknown
    }
}
