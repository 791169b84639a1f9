// A listening socket that a worker made and that the daemon holds too, so that its accept queue outlives the worker.
internal import CLinux
internal import Glibc
internal import Reloader

final class SharedSocket {
    /// The daemon's own descriptor of the worker's socket. Watched for connections that are not accepted.
    let channel: Channel
    let address: SharedAddress
    let inode: UInt64
    let slot: Int
    /// nil if the worker is gone or has closed the socket; connections in its queue then wait for another worker. A
    /// process that outlives its worker may listen as well: its sockets lose their owner when the worker is forgotten.
    private(set) weak var owner: WorkerProcess?
    /// Where the socket was last seen among the descriptors of the owner's processes.
    private var place: SocketSearch.Place?
    /// Whether the socket is a member of the group of its address.
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

    /// A slot's own listener, which the daemon has opened and no worker owns.
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

    // MARK: for the daemon that comes next

    struct State: Codable {
        let descriptor: RowDescriptors.Place
        let address: SharedAddress
        let inode: UInt64
        let slot: Int
        let owner: WorkerID?
        let place: SocketSearch.Place?
        let listensSince: Instant
        let refuses: Bool
    }

    func state(_ descriptors: inout RowDescriptors) -> State {
        State(
            descriptor: descriptors.add(number), address: address, inode: inode, slot: slot, owner: owner?.id,
            place: place, listensSince: listensSince, refuses: refuses)
    }

    init(_ state: State, of key: String, in rows: StateRows, _ workers: Workers) throws(StateError) {
        channel = Channel(try rows.descriptor(state.descriptor, of: key))
        address = state.address
        inode = state.inode
        slot = state.slot
        owner = state.owner.flatMap { workers[$0] }
        place = state.place
        listensSince = state.listensSince
        refuses = state.refuses
    }

    // MARK: its owner

    /// The worker has the socket, in this place.
    func belongs(to worker: WorkerProcess, in place: SocketSearch.Place) {
        owner = worker
        self.place = place
    }

    /// No worker has the socket any more.
    func loseOwner() {
        owner = nil
        place = nil
    }

    /// Whether the owner has closed the socket. Costs one system call if it is still where it was last seen.
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

    /// How many connections wait to be accepted (1 for any number of datagrams); nil if the socket does not listen (any
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

    /// Keeps new connections out; existing ones are not affected. Clients try again after a second or more.
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

    /// Makes the socket leave the kernel's group, even if other processes still hold it. Connections in its queue are
    /// reset, or go to other sockets of the group if net.ipv4.tcp_migrate_req is set.
    func shutDown() {
        // A datagram socket leaves the group when its last descriptor is closed.
        if !address.isDatagram { _ = shutdown(number, Int32(SHUT_RDWR)) }
    }
}

/// Finds out whether a worker still has a socket open, by looking at all its processes. The answer `nowhere` needs
/// proof, because its consequences (the connections go to other workers, or are refused) can't be undone.
enum SocketSearch {
    /// Where a process has the socket, or a thread that has descriptors of its own.
    struct Place: Codable, Equatable {
        var process: Int32
        var descriptor: Int32

        /// Whether the descriptor is still this socket. Costs one system call, whereas a search reads all descriptors
        /// of all processes.
        func stillHas(_ inode: UInt64) -> Bool { OpenSockets.inode(of: process, descriptor) == inode }
    }

    enum Result: Equatable {
        case found(Place)
        /// No process of the worker has the socket, and it is not being sent from one process to another.
        case nowhere
        /// A process could not be looked at, or a descriptor is being sent.
        case unknown
    }

    /// - Parameters:
    ///   - worker: its PID.
    ///   - kin: processes that may have been its descendants before their parents ended; nil: they can't be seen now.
    static func search(_ inode: UInt64, of worker: Int32, kin: [Int32]?) -> Result {
        let result = search(inode, roots: [worker] + (kin ?? []))
        return kin == nil && result == .nowhere ? .unknown : result
    }

    private static func search(_ inode: UInt64, roots: [Int32]) -> Result {
        let first = look(inode, roots, orOnItsWay: false)
        guard first == .nowhere else { return first }
        // The first look may have missed a process that was forked meanwhile, and whose parent has closed its own
        // descriptor since. The second look finds it.
        return look(inode, roots, orOnItsWay: true)
    }

    private static func look(_ inode: UInt64, _ roots: [Int32], orOnItsWay: Bool) -> Result {
        let trees = roots.map { ProcessTree.look(at: $0) }
        let processes = trees.flatMap { $0.processes }
        var isComplete = trees.allSatisfy { $0.isComplete } && processes.count < ProcessTree.processesMax
        for process in processes {
            let tables: [Int32]
            do throws(SystemError) { tables = try ProcessTree.tables(of: process) } catch {
                isComplete = false
                continue
            }
            // A single process has no other to send a descriptor to.
            let orOnItsWay = orOnItsWay && (processes.count > 1 || tables.count > 1)
            for table in tables {
                switch look(inode, inTableOf: table, orOnItsWay: orOnItsWay) {
                case .found(let place): return .found(place)
                case .unknown: isComplete = false
                case .nowhere: break
                }
            }
        }
        return isComplete ? .nowhere : .unknown
    }

    private static func look(_ inode: UInt64, inTableOf thread: Int32, orOnItsWay: Bool) -> Result {
        var left = Int.max
        guard let sockets = OpenSockets.look(atTableOf: thread, atMost: &left) else { return .unknown }
        if let socket = sockets.first(where: { $0.inode == inode }) {
            return .found(Place(process: thread, descriptor: socket.descriptor))
        }
        guard orOnItsWay else { return .nowhere }
        let isOnItsWay = sockets.contains { ProcessTree.sendsDescriptors(thread, over: $0.descriptor) ?? true }
        return isOnItsWay ? .unknown : .nowhere
    }
}
