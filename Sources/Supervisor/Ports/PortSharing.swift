// Lets workers that know nothing of each other bind the same port: each keeps a socket of its own, and a reuseport group
// spreads connections over those that serve. A worker is its process tree: what its descendants bind and listen on is its own.
// Knows sockets and addresses; who serves, it is told. What becomes of sockets that their workers have left is in
// PortSharing+Orphans.
internal import CLinux
internal import Glibc
internal import Reloader

final class PortSharing {
    /// What becomes of a call that a worker waits in.
    enum Answer {
        /// The kernel carries it out as it stands.
        case proceed
        /// It was carried out here: 0, or an errno.
        case done(Int32)
    }

    /// So many sockets of one worker are held here too, so that none can use up the daemon's descriptors. Connections to an
    /// address of which one is not held are spread by the kernel's own choice.
    static let copiesMax = 256
    /// So many sockets of one worker that are bound and don't listen are remembered; the rest bind as they would without us.
    static let boundMax = 1024

    /// A socket that was bound here and does not listen yet. Only noted, and not held: if the worker closes it, it is gone.
    private struct Bound {
        var address: SharedAddress
        var owner: WorkerID
    }

    private let excluded: [ListenAddress]
    private let sharesUDP: Bool
    private let backlog: Int32
    private var bound: [UInt64: Bound] = [:]
    var groups: [SharedAddress: SteeringGroup] = [:]
    var sockets: [SharedSocket] = []
    var probes = ProbeBook()
    /// What a worker was refused by the last call, because somebody else has it.
    private(set) var refused: SharedAddress?
    /// Those that have `goesAt` or `lookAt`, or had: so that a turn of the loop need not go through all sockets.
    var timed: [SharedSocket] = []
    /// No longer ours; the loop must cease to watch them.
    var departed: [SharedSocket] = []

    /// - Parameters:
    ///   - excluded: `--no-share ADDRESS`.
    ///   - udp: `--share udp`.
    ///   - backlog: the least that a listening socket gets, whatever its program asks for.
    init(excluding excluded: [ListenAddress], udp: Bool, backlog: Int32) {
        self.excluded = excluded
        self.backlog = backlog
        sharesUDP = udp
    }

    func sockets(of worker: WorkerID) -> [SharedSocket] { sockets.filter { $0.owner == worker } }

    /// The addresses that a worker listens on.
    func addresses(of worker: WorkerID) -> Set<SharedAddress> {
        Set(sockets.lazy.filter { $0.owner == worker && $0.isListening }.map { $0.address })
    }

    /// Each address on which workers listen, with those sockets, by port.
    var listening: [(address: SharedAddress, sockets: [SharedSocket])] {
        let groups = Dictionary(grouping: sockets.filter { $0.isListening }, by: { $0.address })
        return groups.sorted { ($0.key.port, "\($0.key)") < ($1.key.port, "\($1.key)") }.map { ($0.key, $0.value) }
    }

    // MARK: calls of workers

    /// - Parameters:
    ///   - kin: processes that may have been started by the worker's own before those ended.
    /// - Returns: also the address, if the worker receives on it from now on.
    func bind(_ call: rl_call, by worker: WorkerProcess, _ notifications: Int32, kin: () -> [Int32], at now: Instant)
        -> (
            answer: Answer, began: SharedAddress?
        )
    {
        guard let caller = Caller(call, notifications), let raw = caller.address, let taken = caller.socket(),
            taken.isTCP || sharesUDP && taken.isUDP,
            let address = SharedAddress(raw, isIPv6Only: taken.isIPv6Only, isDatagram: !taken.isTCP),
            !excluded.contains(where: address.matches)
        else { return (.proceed, nil) }
        let inode = taken.inode
        // Bound twice: the kernel has an answer to that.
        if bound[inode] != nil || sockets.contains(where: { $0.inode == inode }) { return (.proceed, nil) }
        letGoOfClosed(by: worker, kin: kin, at: now)
        if !taken.reusesPort && hasOpen(address, worker, kin) { return (.done(EADDRINUSE), nil) }
        // Datagrams are received from now on, connections only when it listens.
        let began = address.isDatagram ? address : nil
        if let socket = waiting(address, for: worker) { return (handOver(socket, to: worker, caller), began) }
        discardEmpty(address, slot: worker.slot)
        if bound.values.count(where: { $0.owner == worker.id }) >= Self.boundMax { return (.proceed, nil) }
        return bind(taken, raw, address, worker, caller, at: now)
    }

    /// - Returns: also the address, if the worker listens on it from now on.
    func listen(_ call: rl_call, by worker: WorkerProcess, _ notifications: Int32, at now: Instant) -> (
        answer: Answer, began: SharedAddress?
    ) {
        guard let caller = Caller(call, notifications), let taken = caller.socket() else { return (.proceed, nil) }
        let inode = taken.inode
        let place = SocketSearch.Place(process: caller.process, descriptor: caller.descriptor)
        if let socket = sockets.first(where: { $0.inode == inode && $0.owner == worker.id }) {
            socket.place = place
            return listen(socket, call)
        }
        guard let note = bound[inode], note.owner == worker.id else { return (.proceed, nil) }
        if sockets(of: worker.id).count >= Self.copiesMax {
            bound[inode] = nil
            groups[note.address, default: SteeringGroup()].admitStranger()
            return (.proceed, note.address)
        }
        let socket = SharedSocket(
            taken.takeDescriptor(), address: note.address, inode: inode, slot: worker.slot, owner: worker.id,
            place: place, at: now)
        let (answer, began) = listen(socket, call)
        guard began != nil else { return (answer, nil) }
        bound[inode] = nil
        sockets.append(socket)
        return (answer, began)
    }

    private func listen(_ socket: SharedSocket, _ call: rl_call) -> (answer: Answer, began: SharedAddress?) {
        groups[socket.address]?.noticeThoseGone()
        if !socket.isListening { keepClientsFromProbe(socket) }
        // A negative number is the kernel's own maximum.
        let asked = Int32(truncatingIfNeeded: call.number)
        guard Glibc.listen(socket.number, asked < 0 ? asked : max(asked, backlog)) == 0 else {
            let code = errno
            if code == EADDRINUSE { refused = socket.address }
            return (.done(code), nil)
        }
        if !socket.isListening { join(socket) }
        return (.done(0), socket.address)
    }

    /// What is soon closed again would take clients with it, if nobody else of the group can be chosen in its place.
    private func keepClientsFromProbe(_ socket: SharedSocket) {
        guard let owner = socket.owner, probes.willProbe(owner, on: socket.address.port),
            groups[socket.address]?.members.isEmpty ?? true
        else { return }
        // Where that fails they come to it as they did before.
        do throws(SystemError) { try socket.refuse() } catch {}
    }

    private func join(_ socket: SharedSocket) {
        groups[socket.address, default: SteeringGroup()].join(socket)
        if let owner = socket.owner { probes.began(owner, on: socket.address.port) }
    }

    private func bind(
        _ taken: consuming TakenSocket, _ raw: [UInt8], _ address: SharedAddress, _ worker: WorkerProcess,
        _ caller: borrowing Caller, at now: Instant
    ) -> (answer: Answer, began: SharedAddress?) {
        let number = taken.descriptor.number
        let inode = taken.inode
        // The first of its port is bound as the program means it: with SO_REUSEPORT it would share a port with whatever else
        // of this user does, another reloaderd too, instead of being told that it is taken. (A datagram socket can't join a
        // group afterwards.)
        let isFirst = !address.isDatagram && !isInUse(address.port)
        if !isFirst, let error = Self.reusePort(number) { return (.done(error), nil) }
        let status = raw.withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: sockaddr.self) { Glibc.bind(number, $0.baseAddress, socklen_t(raw.count)) }
        }
        guard status == 0 else {
            let code = errno
            if code == EADDRINUSE { refused = address }
            return (.done(code), nil)
        }
        if isFirst, let error = Self.reusePort(number) { return (.done(error), nil) }
        guard address.isDatagram else {
            bound[inode] = Bound(address: address, owner: worker.id)
            return (.done(0), nil)
        }
        let place = SocketSearch.Place(process: caller.process, descriptor: caller.descriptor)
        let socket = SharedSocket(
            taken.takeDescriptor(), address: address, inode: inode, slot: worker.slot, owner: worker.id, place: place,
            at: now)
        sockets.append(socket)
        join(socket)
        return (.done(0), address)
    }

    private static func reusePort(_ number: Int32) -> Int32? {
        var one: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        return setsockopt(number, SOL_SOCKET, SO_REUSEPORT, &one, size) == 0 ? nil : errno
    }

    private func isInUse(_ port: UInt16) -> Bool {
        sockets.contains { $0.address.port == port } || bound.values.contains { $0.address.port == port }
    }

    /// The worker has a socket on this address that it has not closed: another bind is refused, as it would be without us.
    private func hasOpen(_ address: SharedAddress, _ worker: WorkerProcess, _ kin: () -> [Int32]) -> Bool {
        if sockets.contains(where: { $0.owner == worker.id && $0.address == address }) { return true }
        for (inode, note) in bound where note.owner == worker.id && note.address == address {
            if SocketSearch.search(inode, roots: [worker.pid] + kin()) != .nowhere { return true }
            bound[inode] = nil
        }
        return false
    }

    private func handOver(_ socket: SharedSocket, to worker: WorkerProcess, _ caller: borrowing Caller) -> Answer {
        do throws(SystemError) {
            try socket.admit()
            try caller.replaceSocket(by: socket.channel.descriptor)
        } catch { return .done(error.errno) }
        socket.owner = worker.id
        socket.goesAt = nil
        socket.place = SocketSearch.Place(process: caller.process, descriptor: caller.descriptor)
        probes.began(worker.id, on: socket.address.port)
        return .done(0)
    }

    /// Forgets it.
    func takeRefused() -> SharedAddress? {
        defer { refused = nil }
        return refused
    }

    // MARK: what is told from outside

    /// The worker listens on all that its predecessor does, and none of it is likely to be a probe.
    func hasAllPorts(_ worker: WorkerID, of predecessor: WorkerID?) -> Bool {
        let own = addresses(of: worker)
        let expected = predecessor.map(addresses) ?? []
        return expected.isSubset(of: own) && !own.contains { probes.isProbe(worker, on: $0.port) }
    }

    /// The worker is ready: it has its sockets for good, as far as they are open, and those who had its seat before have none
    /// that it could still take over.
    func workerIsReady(_ worker: WorkerProcess, kin: () -> [Int32], at now: Instant) {
        letGoOfClosed(by: worker, kin: kin, at: now)
        probes.settled(worker.id, on: Set(addresses(of: worker.id).map { $0.port }))
        for socket in sockets(of: worker.id) {
            do throws(SystemError) { try socket.admit() } catch { discard(socket) }
        }
        for socket in sockets where socket.owner == nil && socket.slot == worker.slot { letGo(socket, at: now) }
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
        for socket in sockets(of: worker) {
            switch succession {
            case .awaited where socket.queue != nil:
                socket.owner = nil
                socket.place = nil
            case .awaited, .none: discard(socket)
            case .done: letGo(socket, at: now)
            }
        }
    }

    /// Steers new connections to those workers that serve. Yields what could not be done.
    func steer(isServing: (WorkerID) -> Bool) -> [SystemError] {
        var failures: [SystemError] = []
        for address in groups.keys {
            do throws(SystemError) {
                try groups[address]?.steer { $0.owner.map(isServing) ?? false }
            } catch { failures.append(error) }
        }
        return failures
    }

    /// Lets nobody new in: there is no worker left that will serve. New connections are refused where the kernel allows it, and
    /// else not answered as long as a worker still has a socket on their address. Yields what could not be done.
    func refuseConnections() -> [SystemError] {
        var failures: [SystemError] = []
        for address in groups.keys where !(groups[address]?.chooseNobody() ?? true) {
            for socket in groups[address]?.members ?? [] {
                do throws(SystemError) { try socket.refuse() } catch { failures.append(error) }
            }
        }
        return failures
    }
}
