// Lets workers that know nothing of each other bind the same port: each keeps a socket of its own, and a reuseport
// group spreads connections over the workers that serve. A worker is a whole process tree: the sockets of its
// descendants count as its own. This file knows sockets and addresses, and is told which workers serve. SharedSockets
// keeps the sockets that are held here.
internal import CLinux
internal import Glibc
internal import Reloader

/// How to answer a call in which a worker waits, and what the call has led to.
struct CallOutcome {
    /// 0 or an errno if the call was carried out here; nil if the kernel is to carry it out as it is.
    var result: Int32?
    /// The address on which the worker listens, or receives datagrams, from now on.
    var began: SharedAddress?
    /// The address that was refused because it is in use.
    var refused: SharedAddress?
    /// Worth telling once of each worker.
    var trouble: CallTrouble?

    static let proceed = CallOutcome()

    static func done(_ result: Int32, began: SharedAddress? = nil) -> CallOutcome {
        CallOutcome(result: result, began: began)
    }

    /// The call was carried out here and has failed.
    static func failed(_ errno: Int32, on address: SharedAddress) -> CallOutcome {
        CallOutcome(result: errno, refused: errno == EADDRINUSE ? address : nil)
    }
}

final class PortSharing {
    /// How many sockets of one worker are held here too, so that no worker can use up the daemon's descriptors. If a
    /// socket on an address is not held, the kernel alone chooses where connections to this address go.
    static let copiesMax = 256
    /// Nor are more than an eighth of the daemon's limit of open files held for one worker.
    private static let copiesShare = 8
    /// All copies together leave a quarter of that limit for clients, for starting workers and for looks at
    /// connections.
    private static let reserve = 4
    /// How many sockets of one worker that are bound and don't listen are remembered; further ones are bound as if the
    /// daemon did not watch.
    static let boundMax = 1024

    /// A socket that was bound here and does not listen yet. It is only noted and not held: if the worker closes it, it
    /// is gone.
    fileprivate struct Bound: Codable {
        var address: SharedAddress
        var owner: WorkerID
    }

    let sockets: SharedSockets
    private let excluded: [ListenAddress]
    private let sharesUDP: Bool
    private let backlog: Int32
    private var bound: [UInt64: Bound] = [:]
    private var probes = ProbeBook()
    private var privileged: PrivilegedPorts

    /// - Parameters:
    ///   - excluded: `--no-share ADDRESS`.
    ///   - udp: `--share udp`.
    ///   - backlog: the least backlog that a listening socket gets, even if its program asks for less.
    init(excluding excluded: [ListenAddress], udp: Bool, backlog: Int32, privileged: PrivilegedPorts) {
        sockets = SharedSockets()
        self.privileged = privileged
        self.excluded = excluded
        self.backlog = backlog
        sharesUDP = udp
    }

    // MARK: for the daemon that comes next

    struct State: Codable {
        let sockets: SharedSockets.State
        let excluded: [ListenAddress]
        let sharesUDP: Bool
        let backlog: Int32
        fileprivate let bound: [UInt64: Bound]
        let probes: ProbeBook
        let privileged: PrivilegedPorts
    }

    func state(_ descriptors: inout RowDescriptors) -> State {
        State(
            sockets: sockets.state(&descriptors), excluded: excluded, sharesUDP: sharesUDP, backlog: backlog,
            bound: bound, probes: probes, privileged: privileged)
    }

    init(_ state: State, of key: String, in rows: StateRows, _ workers: Workers) throws(StateError) {
        sockets = try SharedSockets(state.sockets, of: key, in: rows, workers)
        excluded = state.excluded
        sharesUDP = state.sharesUDP
        backlog = state.backlog
        bound = state.bound
        probes = state.probes
        privileged = state.privileged
    }

    // MARK: calls of workers

    /// - Parameters:
    ///   - permitted: `--share PORT`.
    ///   - kin: processes that may have been started by the worker's own before those ended; nil: they can't be seen.
    func bind(
        _ call: rl_call, by worker: WorkerProcess, _ notifications: Int32, permitted: Set<UInt16>, kin: () -> [Int32]?,
        at now: Instant
    ) -> CallOutcome {
        do throws(Caller.Obstacle) {
            let caller = try Caller(call, notifications)
            return bind(try caller.socket(), worker, caller, permitted, kin, at: now)
        } catch {
            return outcome(of: error, isOurs: isShared(Caller.address(of: call)))
        }
    }

    func listen(
        _ call: rl_call, by worker: WorkerProcess, _ notifications: Int32, at now: Instant
    ) -> CallOutcome {
        do throws(Caller.Obstacle) {
            let caller = try Caller(call, notifications)
            return listen(try caller.socket(), worker, caller, call, at: now)
        } catch {
            let inode = OpenSockets.inode(of: call.thread, call.descriptor)
            return outcome(of: error, isOurs: inode.map { bound[$0] != nil } ?? false)
        }
    }

    /// The address may be one that workers share: what kind of socket it is for is not known.
    private func isShared(_ raw: [UInt8]?) -> Bool {
        guard let raw, let address = SharedAddress(raw, isIPv6Only: false) else { return false }
        return !excluded.contains(where: address.matches)
    }

    /// - Parameter isOurs: if the kernel carried the call out, the port would not be shared.
    private func outcome(of obstacle: Caller.Obstacle, isOurs: Bool) -> CallOutcome {
        switch obstacle {
        case .unreachable: .proceed
        case .ownTable: CallOutcome(trouble: isOurs ? .ownTable : nil)
        case .shortage(let error):
            isOurs ? CallOutcome(result: error.errno, trouble: .shortage(error)) : .proceed
        }
    }

    private func bind(
        _ taken: consuming TakenSocket, _ worker: WorkerProcess, _ caller: borrowing Caller,
        _ permitted: Set<UInt16>, _ kin: () -> [Int32]?, at now: Instant
    ) -> CallOutcome {
        guard let raw = caller.address, taken.isTCP || sharesUDP && taken.isUDP,
            let address = SharedAddress(raw, isIPv6Only: taken.isIPv6Only, isDatagram: !taken.isTCP),
            !excluded.contains(where: address.matches)
        else { return .proceed }
        guard privileged.permits(address, to: caller.thread, of: worker, named: permitted, at: now) else {
            return CallOutcome(trouble: .notPermitted(address))
        }
        let inode = taken.inode
        // The socket is bound already: the kernel returns the right error.
        if bound[inode] != nil || sockets.all.contains(where: { $0.inode == inode }) { return .proceed }
        letGoOfClosed(by: worker, kin: kin, at: now)
        if !taken.reusesPort && hasOpen(address, worker, kin) { return .done(EADDRINUSE) }
        if let socket = sockets.waiting(address, slot: worker.slot) { return handOver(socket, to: worker, caller) }
        sockets.discardEmpty(address, slot: worker.slot)
        if bound.values.count(where: { $0.owner == worker.id }) >= Self.boundMax { return .proceed }
        return bind(taken, raw, address, worker, caller, at: now)
    }

    private func listen(
        _ taken: consuming TakenSocket, _ worker: WorkerProcess, _ caller: borrowing Caller, _ call: rl_call,
        at now: Instant
    ) -> CallOutcome {
        let inode = taken.inode
        let place = caller.place
        if let socket = sockets.all.first(where: { $0.inode == inode && $0.owner === worker }) {
            socket.belongs(to: worker, in: place)
            return listen(socket, of: worker, call)
        }
        guard let note = bound[inode], note.owner == worker.id else { return .proceed }
        if !hasRoom(for: taken, of: worker) {
            bound[inode] = nil
            sockets.admitStranger(on: note.address)
            return CallOutcome(began: note.address, trouble: .notHeld(note.address))
        }
        let socket = SharedSocket(
            taken.takeDescriptor(), address: note.address, inode: inode, owner: worker, place: place, at: now)
        let outcome = listen(socket, of: worker, call)
        guard outcome.began != nil else { return outcome }
        bound[inode] = nil
        sockets.hold(socket)
        return outcome
    }

    /// Whether this socket of the worker may be held here too.
    private func hasRoom(for taken: borrowing TakenSocket, of worker: WorkerProcess) -> Bool {
        let limit = FileDescriptor.limit
        return sockets.of(worker.id).count < min(Self.copiesMax, limit / Self.copiesShare)
            && taken.descriptor.isBelow(limit, reserving: Self.reserve)
    }

    private func listen(_ socket: SharedSocket, of worker: WorkerProcess, _ call: rl_call) -> CallOutcome {
        sockets.noticeThoseGone(from: socket.address)
        if !socket.isListening { keepClientsFromProbe(socket, of: worker) }
        // A negative number is the kernel's own maximum.
        let asked = Int32(truncatingIfNeeded: call.number)
        guard Glibc.listen(socket.number, asked < 0 ? asked : max(asked, backlog)) == 0 else {
            return .failed(errno, on: socket.address)
        }
        if !socket.isListening { join(socket, of: worker) }
        return .done(0, began: socket.address)
    }

    /// A socket that will soon be closed again would take clients with it if no other socket of the group can be chosen
    /// instead.
    private func keepClientsFromProbe(_ socket: SharedSocket, of worker: WorkerProcess) {
        guard probes.willProbe(worker.id, on: socket.address.port), sockets.nobodyListens(on: socket.address) else {
            return
        }
        // If that fails, clients still reach it, as they would have anyway.
        do throws(SystemError) { try socket.refuse() } catch {}
    }

    private func join(_ socket: SharedSocket, of worker: WorkerProcess) {
        sockets.join(socket)
        probes.began(worker.id, on: socket.address.port)
    }

    private func bind(
        _ taken: consuming TakenSocket, _ raw: [UInt8], _ address: SharedAddress, _ worker: WorkerProcess,
        _ caller: borrowing Caller, at now: Instant
    ) -> CallOutcome {
        let number = taken.descriptor.number
        let inode = taken.inode
        // The first socket of a port is bound as the program asked for: with SO_REUSEPORT it would share the port with
        // any other process of this user that sets it too, such as another reloaderd, instead of learning that the port
        // is taken. (A datagram socket can't join a group afterwards.)
        let isFirst = !address.isDatagram && !isInUse(address.port)
        if !isFirst, let error = Self.reusePort(number) { return .done(error) }
        let status = raw.withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: sockaddr.self) { Glibc.bind(number, $0.baseAddress, socklen_t(raw.count)) }
        }
        guard status == 0 else { return .failed(errno, on: address) }
        if isFirst, let error = Self.reusePort(number) { return .done(error) }
        privileged.bound(address, by: worker, at: now)
        guard address.isDatagram else {
            bound[inode] = Bound(address: address, owner: worker.id)
            return .done(0)
        }
        // A datagram socket receives from now on, without a call of listen.
        if !hasRoom(for: taken, of: worker) {
            sockets.admitStranger(on: address)
            return .done(0, began: address)
        }
        let socket = SharedSocket(
            taken.takeDescriptor(), address: address, inode: inode, owner: worker, place: caller.place, at: now)
        sockets.hold(socket)
        join(socket, of: worker)
        return .done(0, began: address)
    }

    private static func reusePort(_ number: Int32) -> Int32? {
        var one: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        return setsockopt(number, SOL_SOCKET, SO_REUSEPORT, &one, size) == 0 ? nil : errno
    }

    private func isInUse(_ port: UInt16) -> Bool {
        sockets.all.contains { $0.address.port == port } || bound.values.contains { $0.address.port == port }
    }

    /// Whether the worker has a socket on this address that it has not closed. Another bind is then refused, as it
    /// would be without the daemon.
    private func hasOpen(_ address: SharedAddress, _ worker: WorkerProcess, _ kin: () -> [Int32]?) -> Bool {
        if sockets.all.contains(where: { $0.owner === worker && $0.address == address }) { return true }
        for (inode, note) in bound where note.owner == worker.id && note.address == address {
            if SocketSearch.search(inode, of: worker.pid, kin: kin()) != .nowhere { return true }
            bound[inode] = nil
        }
        return false
    }

    private func handOver(
        _ socket: SharedSocket, to worker: WorkerProcess, _ caller: borrowing Caller
    ) -> CallOutcome {
        do throws(SystemError) {
            try socket.admit()
            try caller.replaceSocket(by: socket.channel.descriptor)
        } catch { return .done(error.errno) }
        socket.belongs(to: worker, in: caller.place)
        sockets.keep(socket)
        probes.began(worker.id, on: socket.address.port)
        return .done(0, began: socket.address.isDatagram ? socket.address : nil)
    }

    // MARK: news from the daemon

    /// Whether the worker listens on all addresses of its predecessor, and none of its sockets is likely to be a probe.
    func hasAllPorts(_ worker: WorkerID, of predecessor: WorkerID?) -> Bool {
        let own = sockets.addresses(of: worker)
        let expected = predecessor.map(sockets.addresses) ?? []
        return expected.isSubset(of: own) && !own.contains { probes.isProbe(worker, on: $0.port) }
    }

    /// Finds the sockets that the worker has closed and lets go of them.
    func letGoOfClosed(by worker: WorkerProcess, kin: () -> [Int32]?, at now: Instant) {
        for socket in sockets.of(worker.id) where socket.isClosed(kin: kin) {
            probes.closed(worker.id, socket.address.port, after: now - socket.listensSince)
            sockets.letGo(socket, at: now)
        }
    }

    /// Call it when the worker is ready: it keeps the sockets that it has open, and the sockets of earlier workers of
    /// its slot that it has not taken over are let go.
    func workerIsReady(_ worker: WorkerProcess, kin: () -> [Int32]?, at now: Instant) {
        privileged.workerIsReady(in: worker.slot, at: now)
        letGoOfClosed(by: worker, kin: kin, at: now)
        probes.settled(worker.id, on: Set(sockets.addresses(of: worker.id).map { $0.port }))
        for socket in sockets.of(worker.id) {
            do throws(SystemError) { try socket.admit() } catch { sockets.discard(socket) }
        }
        sockets.letGoOfOrphans(slot: worker.slot, at: now)
    }

    /// What to do with the sockets of a worker that is gone.
    enum Succession {
        /// Its slot will get another worker, which takes them over, including those with empty queues.
        case awaited
        /// Other workers serve in its place: only a socket with waiting connections may still be taken over.
        case done
        /// There will be no other worker.
        case none
    }

    func workerIsGone(_ worker: WorkerID, _ succession: Succession, at now: Instant) {
        probes.forget(worker)
        for (inode, note) in bound where note.owner == worker { bound[inode] = nil }
        for socket in sockets.of(worker) {
            switch succession {
            case .awaited where socket.queue != nil: socket.loseOwner()
            case .awaited, .none: sockets.discard(socket)
            case .done: sockets.letGo(socket, at: now)
            }
        }
    }
}

/// Keeps track of programs that probe whether a port is free: they listen on it, close it, and listen again. The first
/// time is no sign that they serve. If one worker was seen to do that, the next worker is expected to do it too;
/// otherwise a program is taken to serve as soon as it listens.
struct ProbeBook: Codable {
    /// A listener that was open longer than this was not a probe.
    static let longest = Duration.seconds(5)

    /// How often each worker has begun to listen on a port.
    private var begun: [WorkerID: [UInt16: Int]] = [:]
    /// How many of those were probes, according to the last worker whose start was seen to the end.
    private var expected: [UInt16: Int] = [:]

    mutating func began(_ worker: WorkerID, on port: UInt16) { begun[worker, default: [:]][port, default: 0] += 1 }

    mutating func closed(_ worker: WorkerID, _ port: UInt16, after time: Duration) {
        guard time <= Self.longest, let count = begun[worker]?[port] else { return }
        expected[port] = max(expected[port] ?? 0, count)
    }

    /// Notes that the worker listens on these ports for good, however often it has begun to.
    mutating func settled(_ worker: WorkerID, on ports: Set<UInt16>) {
        for (port, count) in begun[worker] ?? [:] where ports.contains(port) {
            expected[port] = min(expected[port] ?? 0, count - 1)
        }
    }

    mutating func forget(_ worker: WorkerID) { begun[worker] = nil }

    /// Whether an earlier worker closed its listener again at this point of its start.
    func isProbe(_ worker: WorkerID, on port: UInt16) -> Bool { (begun[worker]?[port] ?? 0) <= (expected[port] ?? 0) }

    /// The same for the next time that the worker begins to listen.
    func willProbe(_ worker: WorkerID, on port: UInt16) -> Bool { (begun[worker]?[port] ?? 0) < (expected[port] ?? 0) }
}
