// Lets workers that know nothing of each other bind the same port: each keeps a socket of its own, and a reuseport group
// spreads connections over those that serve. Knows sockets and addresses; who serves, it is told.
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

    /// Bytes of a sockaddr_storage: no longer address is one.
    private static let addressBytesMax: UInt64 = 128

    private let excluded: [ListenAddress]
    private let sharesUDP: Bool
    private var groups: [SharedAddress: SteeringGroup] = [:]
    private var sockets: [SharedSocket] = []

    /// - Parameters:
    ///   - excluded: `--no-share ADDRESS`.
    ///   - udp: `--share udp`.
    init(excluding excluded: [ListenAddress], udp: Bool) {
        self.excluded = excluded
        sharesUDP = udp
    }

    func sockets(of worker: WorkerID) -> [SharedSocket] { sockets.filter { $0.owner == worker } }

    /// The addresses that a worker listens on.
    func addresses(of worker: WorkerID) -> Set<SharedAddress> {
        Set(sockets.lazy.filter { $0.owner == worker && $0.isListening }.map { $0.address })
    }

    // MARK: calls of workers

    func bind(_ call: rl_call, by worker: WorkerProcess, _ notifications: Int32) -> (
        answer: Answer, began: SharedAddress?
    ) {
        guard ProcessTree.hasThread(worker.pid, call.thread), let raw = Self.addressGiven(call),
            // The thread's number may be somebody else's by now: only while it waits was that its own memory.
            rl_call_is_pending(notifications, call.id),
            let taken = TakenSocket(call.descriptor, of: worker.exit.number),
            taken.isTCP || sharesUDP && taken.isUDP,
            let address = SharedAddress(raw, isIPv6Only: taken.isIPv6Only, isDatagram: !taken.isTCP),
            !excluded.contains(where: address.matches)
        else { return (.proceed, nil) }
        let inode = taken.inode
        // Bound twice: the kernel has an answer to that.
        if sockets.contains(where: { $0.inode == inode }) { return (.proceed, nil) }
        if !taken.reusesPort && hasOpen(address, worker) { return (.done(EADDRINUSE), nil) }
        // Datagrams are received from now on, connections only when it listens.
        let began = address.isDatagram ? address : nil
        if let socket = waiting(address, for: worker) {
            return (handOver(socket, to: worker, call, notifications), began)
        }
        discardEmpty(address, slot: worker.slot)
        let answer = bind(taken, raw, address, worker)
        guard let began, case .done(0) = answer, let socket = sockets.last else { return (answer, nil) }
        groups[address, default: SteeringGroup()].join(socket)
        return (answer, began)
    }

    /// - Returns: also the address, where the worker listens on it from now on.
    func listen(_ call: rl_call, by worker: WorkerProcess) -> (answer: Answer, began: SharedAddress?) {
        guard ProcessTree.hasThread(worker.pid, call.thread),
            let taken = TakenSocket(call.descriptor, of: worker.exit.number)
        else { return (.proceed, nil) }
        let inode = taken.inode
        guard let socket = sockets.first(where: { $0.inode == inode && $0.owner == worker.id }) else {
            return (.proceed, nil)
        }
        groups[socket.address, default: SteeringGroup()].noticeThoseGone()
        guard Glibc.listen(socket.descriptor.number, Int32(truncatingIfNeeded: call.number)) == 0 else {
            return (.done(errno), nil)
        }
        if !socket.isListening { groups[socket.address]?.join(socket) }
        return (.done(0), socket.address)
    }

    private func bind(
        _ taken: consuming TakenSocket, _ raw: [UInt8], _ address: SharedAddress, _ worker: WorkerProcess
    ) -> Answer {
        let number = taken.descriptor.number
        let inode = taken.inode
        // The first of its port is bound as the program means it: with SO_REUSEPORT it would share a port with whatever else
        // of this user does, another reloaderd too, instead of being told that it is taken. (A datagram socket can't join a
        // group afterwards.)
        let isFirst = !address.isDatagram && !sockets.contains { $0.address.port == address.port }
        if !isFirst, let error = Self.reusePort(number) { return .done(error) }
        let status = raw.withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: sockaddr.self) { Glibc.bind(number, $0.baseAddress, socklen_t(raw.count)) }
        }
        guard status == 0 else { return .done(errno) }
        if isFirst, let error = Self.reusePort(number) { return .done(error) }
        sockets.append(
            SharedSocket(taken.takeDescriptor(), address: address, inode: inode, slot: worker.slot, owner: worker.id))
        return .done(0)
    }

    private static func reusePort(_ number: Int32) -> Int32? {
        var one: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        return setsockopt(number, SOL_SOCKET, SO_REUSEPORT, &one, size) == 0 ? nil : errno
    }

    private static func addressGiven(_ call: rl_call) -> [UInt8]? {
        guard call.number >= 2, call.number <= addressBytesMax else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(call.number))
        let count = rl_read_memory(call.thread, call.address, &bytes, bytes.count)
        return count == bytes.count ? bytes : nil
    }

    /// The worker has a socket on this address that it has not closed: another bind is refused, as it would be without us.
    private func hasOpen(_ address: SharedAddress, _ worker: WorkerProcess) -> Bool {
        let own = sockets.filter { $0.owner == worker.id && $0.address == address }
        if own.isEmpty { return false }
        let open = Set(OpenSockets.all(of: worker.pid).map { ino_t($0.inode) })
        // A closed one is ours alone now; what waits in its queue is for the next that binds.
        for socket in own where !open.contains(socket.inode) { socket.owner = nil }
        return own.contains { $0.owner != nil }
    }

    // MARK: queues without a worker

    /// A socket whose worker is gone and in whose queue connections wait.
    private func waiting(_ address: SharedAddress, for worker: WorkerProcess) -> SharedSocket? {
        let orphans = sockets.filter { $0.owner == nil && $0.address == address && ($0.queue ?? 0) > 0 }
        return orphans.first { $0.slot == worker.slot } ?? orphans.first
    }

    /// Puts the socket in place of the one that the worker is about to bind.
    private func handOver(_ socket: SharedSocket, to worker: WorkerProcess, _ call: rl_call, _ notifications: Int32)
        -> Answer
    {
        let closes = ProcessTree.closesOnExec(worker.pid, call.descriptor)
        let number = socket.descriptor.number
        // Some programs have told their epoll of the descriptor before: it would go on waiting for the one that is replaced.
        let pollings = ProcessTree.pollings(of: worker.pid, call.descriptor)
        guard rl_replace_descriptor(notifications, call.id, number, call.descriptor, closes) == 0 else {
            return .done(errno)
        }
        socket.owner = worker.id
        for polling in pollings {
            guard let epoll = takeDescriptor(polling.epoll, of: worker),
                rl_poll_as(epoll.number, number, call.descriptor, polling.events, polling.data) == 0
            else { return .done(ENOMEM) }
        }
        return .done(0)
    }

    private func takeDescriptor(_ number: Int32, of worker: WorkerProcess) -> FileDescriptor? {
        let copy = rl_take_descriptor(worker.exit.number, number)
        return copy < 0 ? nil : FileDescriptor(owning: copy)
    }

    private func discardEmpty(_ address: SharedAddress, slot: Int) {
        for socket in sockets where socket.owner == nil && socket.address == address && socket.slot == slot {
            if (socket.queue ?? 0) == 0 { discard(socket) }
        }
    }

    private func discard(_ socket: SharedSocket) {
        if socket.isListening { groups[socket.address]?.expel(socket) } else { socket.shutDown() }
        if groups[socket.address]?.isEmpty ?? false { groups[socket.address] = nil }
        sockets.removeAll { $0 === socket }
    }

    // MARK: what is told from outside

    /// The worker is gone. What waits in its queues stays, and so do the queues of one that was not emptied before: its
    /// replacement takes them over.
    func workerIsGone(_ worker: WorkerID, wasEmptied: Bool) {
        for socket in sockets(of: worker) {
            socket.owner = nil
            let queue = socket.queue
            if queue == nil || (wasEmptied && queue == 0) { discard(socket) }
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

    /// Lets nobody new in: there is no worker left that will serve.
    func refuseConnections() {
        for socket in sockets where socket.isListening { _ = rl_refuse_connections(socket.descriptor.number) }
    }
}
