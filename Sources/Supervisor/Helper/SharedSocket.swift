// A listening socket that a worker made and that the helper holds too, so that its accept queue outlives the worker.
internal import CLinux
internal import Glibc
internal import Reloader

final class SharedSocket {
    /// A descriptor of our own of the worker's socket.
    let channel: Channel
    private(set) var row: SocketRow { didSet { isChanged = isChanged || row != oldValue } }
    private var isChanged = true
    private var isNew = true
    private let mark: TouchMark
    /// The owner's things must not be touched: what is known of the socket stays as it is.
    var isBarred = false

    /// - Parameter mark: is told before the socket is touched.
    init(
        _ descriptor: consuming FileDescriptor, address: SharedAddress, inode: UInt64, owner: Owner,
        place: SocketSearch.Place, at now: Instant, _ mark: TouchMark
    ) {
        channel = Channel(descriptor)
        row = SocketRow(
            address: address, inode: inode, slot: owner.slot, listensSince: now, owner: owner, lastOwner: owner.id,
            place: place)
        self.mark = mark
    }

    /// A socket that an earlier helper has held.
    init(_ channel: Channel, _ row: SocketRow, _ mark: TouchMark) {
        self.channel = channel
        self.row = row
        self.mark = mark
        (isChanged, isNew) = (false, false)
    }

    /// A slot's own listener, which the daemon has opened and no worker owns.
    init(listening channel: Channel, slot: Int) throws(SystemError) {
        let raw = try SocketAddress.bytes(of: channel.descriptor)
        guard let address = SharedAddress(raw, isIPv6Only: false) else {
            throw SystemError(call: "getsockname", errno: EAFNOSUPPORT)
        }
        self.channel = channel
        row = SocketRow(address: address, inode: 0, slot: slot, listensSince: Instant(nanoseconds: 0))
        mark = TouchMark(nil)
    }

    var number: Int32 { channel.number }
    var address: SharedAddress { row.address }
    var inode: UInt64 { row.inode }
    var slot: Int { row.slot }
    var owner: Owner? { row.owner }
    /// Whether the socket is a member of the group of its address.
    var isListening: Bool { row.isListening }

    /// The row if it was changed since the last call, and whether nobody has seen it before.
    func takeNews() -> BookChange? {
        defer { (isChanged, isNew) = (false, false) }
        return isChanged ? .socket(row, isNew: isNew) : nil
    }

    /// The kernel's number for it in its group.
    func hasBecome(member: Int?) { row.member = member }

    /// When it is discarded.
    func leaves(at time: Instant?) { row.leavesAt = time }

    /// Call it before each touch: whoever has the socket may have arranged that it waits.
    private func touch() { mark.touch(row.lastOwner.map { .worker($0) } ?? .nobody) }

    // MARK: its owner

    /// The worker has the socket, in this place.
    func belongs(to owner: Owner, in place: SocketSearch.Place) {
        row.owner = owner
        row.place = place
        row.lastOwner = owner.id
    }

    /// No worker has the socket any more.
    func loseOwner() {
        row.owner = nil
        row.place = nil
    }

    /// Whether the owner has closed the socket. Costs one system call if it is still where it was last seen.
    ///
    /// - Parameter kin: processes that may have been started by the worker's own before those ended.
    func isClosed(kin: () -> [Int32]?) -> Bool {
        guard let owner else { return true }
        if isBarred { return false }
        if let place = row.place, place.stillHas(inode) { return false }
        touch()
        switch SocketSearch.search(inode, of: owner.pid, kin: kin()) {
        case .found(let place):
            row.place = place
            return false
        case .nowhere: return true
        case .unknown: return false
        }
    }

    // MARK: its queue

    /// How many connections wait to be accepted (1 for any number of datagrams); nil if the socket does not listen (any
    /// more).
    var queue: Int? {
        if isBarred { return row.isListening ? 0 : nil }
        touch()
        if address.isDatagram {
            var bytes: Int32 = 0
            return ioctl(number, UInt(FIONREAD), &bytes) == 0 && bytes > 0 ? 1 : 0
        }
        var state = rl_tcp()
        guard rl_tcp_state(number, &state) == 0, state.state == UInt8(TCP_LISTEN) else { return nil }
        return Int(state.queue)
    }

    var isQueueEmpty: Bool { (queue ?? 0) == 0 }

    /// Whether the socket still listens: its worker may have shut it down, and made something else of it.
    var stillListens: Bool {
        if isBarred { return row.isListening }
        return address.isDatagram || Self.accepts(number)
    }

    /// Whether it is a socket that listens. Unlike most questions, this one takes no lock of the socket, which a worker
    /// that has it may hold for ever (sk_getsockopt in the kernel's net/core/sock.c).
    static func accepts(_ socket: Int32) -> Bool {
        var accepts: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) == 0 && accepts != 0
    }

    /// Keeps new connections out; existing ones are not affected. Clients try again after a second or more.
    func refuse() throws(SystemError) {
        if row.refuses || isBarred { return }
        touch()
        try checked("setsockopt", "SO_ATTACH_FILTER") { rl_refuse_connections(number, address.isDatagram) }
        row.refuses = true
    }

    /// Ends `refuse`.
    func admit() throws(SystemError) {
        if !row.refuses || isBarred { return }
        touch()
        try checked("setsockopt", "SO_DETACH_FILTER") { rl_admit_connections(number) }
        row.refuses = false
    }

    /// Makes the socket leave the kernel's group, even if other processes still hold it. Connections in its queue are
    /// reset, or go to other sockets of the group if net.ipv4.tcp_migrate_req is set.
    func shutDown() {
        touch()
        // A datagram socket leaves the group when its last descriptor is closed.
        if !address.isDatagram { _ = shutdown(number, Int32(SHUT_RDWR)) }
    }

    /// Attaches the program that chooses among the group's members.
    func steer(to indices: [UInt32]) throws(SystemError) {
        touch()
        let isDatagram = address.isDatagram
        try checked("setsockopt", "SO_ATTACH_REUSEPORT_CBPF") { rl_steer(number, indices, indices.count, isDatagram) }
    }

    /// Detaches that program.
    func stopSteering() throws(SystemError) {
        touch()
        var unused: Int32 = 0
        do throws(SystemError) {
            try checked("setsockopt", "SO_DETACH_REUSEPORT_BPF") {
                setsockopt(number, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &unused, socklen_t(MemoryLayout<Int32>.size))
            }
        } catch  where error.errno == ENOENT {
        }
    }

    /// Makes the group choose nobody; returns false if the kernel does not support that.
    func steerNowhere() -> Bool {
        touch()
        return rl_steer_nowhere(number) == 0
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
