// Sockets that no worker has any more. While the daemon holds one, the kernel takes it for open: connections come to it, and
// nobody accepts them. So it gets no new ones as long as others serve its address, what waits in its queue goes to the next
// worker that binds the address, and if none does, the socket goes.
internal import CLinux
internal import Glibc
internal import Reloader

extension PortSharing {
    /// How long connections in the queue of a socket that its worker has closed, or that its worker's successor did not want,
    /// wait for somebody who takes them over.
    static let takeoverPatience = Duration.seconds(2)
    /// How long connections may wait in a queue before its worker is asked whether it has the socket still.
    static let queuePatience = Duration.seconds(1)

    // MARK: what a worker has closed

    /// Finds what the worker has closed and lets go of it. What it still has costs one system call each.
    func letGoOfClosed(by worker: WorkerProcess, kin: () -> [Int32], at now: Instant) {
        for socket in sockets(of: worker.id) where isClosed(socket, by: worker, kin) {
            probes.closed(worker.id, socket.address.port, after: now - socket.listensSince)
            letGo(socket, at: now)
        }
    }

    private func isClosed(_ socket: SharedSocket, by worker: WorkerProcess, _ kin: () -> [Int32]) -> Bool {
        if let place = socket.place, place.stillHas(socket.inode) { return false }
        switch SocketSearch.search(socket.inode, roots: [worker.pid] + kin()) {
        case .found(let place):
            socket.place = place
            return false
        case .nowhere: return true
        case .unknown: return false
        }
    }

    /// Nobody has it. At once gone if nobody waits in it; else it takes nobody new, and goes in a while.
    func letGo(_ socket: SharedSocket, at now: Instant) {
        socket.owner = nil
        socket.place = nil
        if socket.isQueueEmpty { return discard(socket) }
        // What can't be refused comes to it for as long as it is there: it is not made worse by that.
        do throws(SystemError) { try socket.refuse() } catch {}
        socket.goesAt = socket.goesAt ?? now + Self.takeoverPatience
        noteTime(of: socket)
    }

    // MARK: queues that stand still

    /// Somebody waits to be accepted.
    func queueHasSomebody(_ socket: SharedSocket, at now: Instant) {
        socket.lookAt = now + Self.queuePatience
        noteTime(of: socket)
    }

    /// Those whose queues were not empty a while ago.
    func queuesToLookAt(at now: Instant) -> [SharedSocket] {
        timed.filter { $0.lookAt.map { $0 <= now } ?? false }
    }

    /// Connections may wait because the worker has closed its socket: true if so, and then they wait for another.
    func isLeftBehind(_ socket: SharedSocket, by worker: WorkerProcess, kin: () -> [Int32], at now: Instant) -> Bool {
        socket.lookAt = nil
        if socket.isQueueEmpty || !isClosed(socket, by: worker, kin) { return false }
        letGo(socket, at: now)
        return true
    }

    // MARK: taking over

    /// A socket that no worker has, and in whose queue connections wait.
    func waiting(_ address: SharedAddress, for worker: WorkerProcess) -> SharedSocket? {
        let orphans = sockets.filter { $0.owner == nil && $0.address == address && !$0.isQueueEmpty }
        return orphans.first { $0.slot == worker.slot } ?? orphans.first
    }

    func discardEmpty(_ address: SharedAddress, slot: Int) {
        for socket in sockets where socket.owner == nil && socket.address == address && socket.slot == slot {
            if socket.isQueueEmpty { discard(socket) }
        }
    }

    // MARK: the end

    func discard(_ socket: SharedSocket) {
        if socket.isListening { groups[socket.address]?.expel(socket) } else { socket.shutDown() }
        if groups[socket.address]?.isEmpty ?? false { groups[socket.address] = nil }
        sockets.removeAll { $0 === socket }
        timed.removeAll { $0 === socket }
        departed.append(socket)
    }

    /// Discards those that nobody has taken over in time, and returns those in whose queue somebody was, with how many.
    func discardOverdue(at now: Instant) -> [(address: SharedAddress, connections: Int)] {
        let overdue = timed.filter { $0.goesAt.map { $0 <= now } ?? false }
        let lost = overdue.map { ($0.address, $0.queue ?? 0) }
        for socket in overdue { discard(socket) }
        return lost.filter { $0.1 > 0 }
    }

    var nextDeadline: Instant? { timed.lazy.compactMap { $0.nextTime }.min() }

    private func noteTime(of socket: SharedSocket) {
        timed.removeAll { $0 === socket || $0.nextTime == nil }
        timed.append(socket)
    }
}
