// Lets workers that know nothing of each other bind the same port: each keeps a socket of its own, and a reuseport
// group spreads connections over those that serve. A worker is its process tree: what its descendants bind and listen
// on is its own. Knows sockets and addresses; who serves, it is told. What becomes of a socket that is held here is in
// SharedSockets.
internal import CLinux
internal import Glibc
internal import Reloader

/// What becomes of a call that a worker waits in, and what has come of it.
struct CallOutcome {
    /// nil: the kernel carries it out as it stands. Else it was carried out here: 0, or an errno.
    var result: Int32?
    /// The worker listens there from now on, or receives datagrams.
    var began: SharedAddress?
    /// Somebody else has this.
    var refused: SharedAddress?
    /// Worth telling once of each worker.
    var trouble: CallTrouble?

    static let proceed = CallOutcome()

    static func done(_ result: Int32, began: SharedAddress? = nil) -> CallOutcome {
        CallOutcome(result: result, began: began)
    }

    /// It was carried out here, and has failed.
    static func failed(_ errno: Int32, on address: SharedAddress) -> CallOutcome {
        CallOutcome(result: errno, refused: errno == EADDRINUSE ? address : nil)
    }
}

final class PortSharing {
    /// So many sockets of one worker are held here too, so that none can use up the daemon's descriptors. Connections
    /// to an address of which one is not held are spread by the kernel's own choice.
    static let copiesMax = 256
    /// And so large a part of what the daemon may have.
    private static let copiesShare = 8
    /// All copies together leave so large a part for clients, for workers that start, and for looks at connections.
    private static let reserve = 4
    /// So many sockets of one worker that are bound and don't listen are remembered; the rest bind as they would
    /// without us.
    static let boundMax = 1024

    /// A socket that was bound here and does not listen yet. Only noted, and not held: if the worker closes it, it is
    /// gone.
    private struct Bound {
        var address: SharedAddress
        var owner: WorkerID
    }

    let sockets = SharedSockets()
    private let excluded: [ListenAddress]
    private let sharesUDP: Bool
    private let backlog: Int32
    private var bound: [UInt64: Bound] = [:]
    private var probes = ProbeBook()
    private var privileged: PrivilegedPorts

    /// - Parameters:
    ///   - excluded: `--no-share ADDRESS`.
    ///   - udp: `--share udp`.
    ///   - backlog: the least that a listening socket gets, whatever its program asks for.
    init(excluding excluded: [ListenAddress], udp: Bool, backlog: Int32, privileged: PrivilegedPorts) {
        self.privileged = privileged
        self.excluded = excluded
        self.backlog = backlog
        sharesUDP = udp
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
        // Bound twice: the kernel has an answer to that.
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

    /// The worker's socket may be held here too.
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

    /// What is soon closed again would take clients with it, if nobody else of the group can be chosen in its place.
    private func keepClientsFromProbe(_ socket: SharedSocket, of worker: WorkerProcess) {
        guard probes.willProbe(worker.id, on: socket.address.port), sockets.nobodyListens(on: socket.address) else {
            return
        }
        // Where that fails they come to it as they did before.
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
        // The first of its port is bound as the program means it: with SO_REUSEPORT it would share a port with whatever
        // else of this user does, another reloaderd too, instead of being told that it is taken. (A datagram socket
        // can't join a group afterwards.)
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
        // Datagrams are received from now on, connections only when it listens.
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

    /// The worker has a socket on this address that it has not closed: another bind is refused, as it would be without
    /// us.
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

    // MARK: what is told from outside

    /// The worker listens on all that its predecessor does, and none of it is likely to be a probe.
    func hasAllPorts(_ worker: WorkerID, of predecessor: WorkerID?) -> Bool {
        let own = sockets.addresses(of: worker)
        let expected = predecessor.map(sockets.addresses) ?? []
        return expected.isSubset(of: own) && !own.contains { probes.isProbe(worker, on: $0.port) }
    }

    /// Finds what the worker has closed and lets go of it.
    func letGoOfClosed(by worker: WorkerProcess, kin: () -> [Int32]?, at now: Instant) {
        for socket in sockets.of(worker.id) where socket.isClosed(kin: kin) {
            probes.closed(worker.id, socket.address.port, after: now - socket.listensSince)
            sockets.letGo(socket, at: now)
        }
    }

    /// The worker is ready: it has its sockets for good, as far as they are open, and those who had its seat before
    /// have none that it could still take over.
    func workerIsReady(_ worker: WorkerProcess, kin: () -> [Int32]?, at now: Instant) {
        privileged.workerIsReady(in: worker.slot, at: now)
        letGoOfClosed(by: worker, kin: kin, at: now)
        probes.settled(worker.id, on: Set(sockets.addresses(of: worker.id).map { $0.port }))
        for socket in sockets.of(worker.id) {
            do throws(SystemError) { try socket.admit() } catch { sockets.discard(socket) }
        }
        sockets.letGoOfOrphans(slot: worker.slot, at: now)
    }

    /// What becomes of the sockets of a worker that is gone.
    enum Succession {
        /// Its seat waits for another worker, which takes them over, also those on which nobody waits yet.
        case awaited
        /// Others serve in its place: only what waits in a queue may still find somebody.
        case done
        /// There will be nobody.
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
