// The sockets of workers that the daemon holds too: which of them listen on one address together, and what becomes of
// those that no worker has any more.
//
// While the daemon holds a socket, the kernel takes it for open: connections come to it, and nobody accepts them. So
// one that its worker has left gets no new ones as long as others serve its address, what waits in its queue goes to
// the next worker that binds the address, and if none does, the socket goes.
internal import CLinux
internal import Glibc
internal import Reloader

final class SharedSockets {
    /// How long connections in the queue of a socket that its worker has closed, or that its worker's successor did not
    /// want, wait for somebody who takes them over.
    static let takeoverPatience = Duration.seconds(2)
    /// How long connections may wait in a queue before its worker is asked whether it has the socket still.
    static let queuePatience = Duration.seconds(1)

    private(set) var all: [SharedSocket] = []
    private var groups: [SharedAddress: SteeringGroup] = [:]
    /// Without an owner: when each goes, with what is in its queue then; one that has no time waits for its slot's next
    /// worker.
    private var goings = SocketTimes()
    /// Those whose queues were not empty: when to look whether their owners have them still.
    private var looks = SocketTimes()
    /// No longer ours; the loop must cease to watch them.
    private var departed: [SharedSocket] = []

    func of(_ worker: WorkerID) -> [SharedSocket] { all.filter { $0.owner?.id == worker } }

    /// The addresses that a worker listens on.
    func addresses(of worker: WorkerID) -> Set<SharedAddress> {
        Set(all.lazy.filter { $0.owner?.id == worker && $0.isListening }.map { $0.address })
    }

    /// Each address on which workers listen, with those sockets, by port.
    var listening: [(address: SharedAddress, sockets: [SharedSocket])] {
        let groups = Dictionary(grouping: all.filter { $0.isListening }, by: { $0.address })
        return groups.sorted { ($0.key.port, "\($0.key)") < ($1.key.port, "\($1.key)") }.map { ($0.key, $0.value) }
    }

    // MARK: listening together

    func hold(_ socket: SharedSocket) { all.append(socket) }

    /// To be called when `socket` has begun to listen.
    func join(_ socket: SharedSocket) { groups[socket.address, default: SteeringGroup()].join(socket) }

    /// A socket that is not held here is about to listen on the address.
    func admitStranger(on address: SharedAddress) { groups[address, default: SteeringGroup()].admitStranger() }

    /// To be called before a socket begins to listen on the address.
    func noticeThoseGone(from address: SharedAddress) { groups[address]?.noticeThoseGone() }

    func nobodyListens(on address: SharedAddress) -> Bool { groups[address]?.members.isEmpty ?? true }

    /// Steers new connections to those workers that serve. Yields what could not be done.
    func steer(to serving: Set<WorkerID>) -> [SystemError] {
        var failures: [SystemError] = []
        for address in groups.keys {
            do throws(SystemError) {
                try groups[address]?.steer { $0.owner.map { serving.contains($0.id) } ?? false }
            } catch { failures.append(error) }
        }
        return failures
    }

    /// Lets nobody new in: there is no worker left that will serve. New connections are refused where the kernel allows
    /// it, and else not answered as long as a worker still has a socket on their address. Yields what could not be
    /// done.
    func refuseConnections() -> [SystemError] {
        var failures: [SystemError] = []
        for address in groups.keys where !(groups[address]?.chooseNobody() ?? true) {
            for socket in groups[address]?.members ?? [] {
                do throws(SystemError) { try socket.refuse() } catch { failures.append(error) }
            }
        }
        return failures
    }

    // MARK: without a worker

    /// Nobody has it. At once gone if nobody waits in it; else it takes nobody new, and goes in a while.
    func letGo(_ socket: SharedSocket, at now: Instant) {
        socket.loseOwner()
        if socket.isQueueEmpty { return discard(socket) }
        // What can't be refused comes to it for as long as it is there: it is not made worse by that.
        do throws(SystemError) { try socket.refuse() } catch {}
        if goings[socket] == nil { goings[socket] = now + Self.takeoverPatience }
    }

    /// What the slot's workers had, and what none of them has now.
    func letGoOfOrphans(slot: Int, at now: Instant) {
        for socket in all where socket.owner == nil && socket.slot == slot { letGo(socket, at: now) }
    }

    /// A socket that no worker has, and in whose queue connections wait; rather one of the same slot.
    func waiting(_ address: SharedAddress, slot: Int) -> SharedSocket? {
        let orphans = all.filter { $0.owner == nil && $0.address == address && !$0.isQueueEmpty }
        return orphans.first { $0.slot == slot } ?? orphans.first
    }

    /// A worker has taken it over.
    func keep(_ socket: SharedSocket) { goings[socket] = nil }

    func discardEmpty(_ address: SharedAddress, slot: Int) {
        for socket in all where socket.owner == nil && socket.address == address && socket.slot == slot {
            if socket.isQueueEmpty { discard(socket) }
        }
    }

    func discard(_ socket: SharedSocket) {
        socket.loseOwner()
        if socket.isListening { groups[socket.address]?.expel(socket) } else { socket.shutDown() }
        if groups[socket.address]?.isEmpty ?? false { groups[socket.address] = nil }
        all.removeAll { $0 === socket }
        goings[socket] = nil
        looks[socket] = nil
        departed.append(socket)
    }

    /// Discards those that nobody has taken over in time, and returns those in whose queue somebody was, with how many.
    func discardOverdue(at now: Instant) -> [(address: SharedAddress, connections: Int)] {
        let overdue = goings.due(at: now)
        let lost = overdue.map { ($0.address, $0.queue ?? 0) }
        for socket in overdue { discard(socket) }
        return lost.filter { $0.1 > 0 }
    }

    // MARK: queues that stand still

    /// Each is watched until somebody waits in its queue, and again when that was looked at.
    func watchQueues(_ loop: Loop) throws(SystemError) {
        for socket in departed { try loop.unwatch(socket.channel) }
        departed.removeAll()
        for socket in all where socket.isListening && !socket.address.isDatagram && socket.channel.token == nil {
            try loop.watch(socket.channel, .queue(socket), [.readable, .once])
        }
    }

    /// Somebody waits to be accepted.
    func queueHasSomebody(_ socket: SharedSocket, at now: Instant) { looks[socket] = now + Self.queuePatience }

    /// Returns those whose queues were not empty a while ago, once.
    func takeQueuesToLookAt(at now: Instant) -> [SharedSocket] {
        let due = looks.due(at: now)
        for socket in due { looks[socket] = nil }
        return due
    }

    var nextDeadline: Instant? { [goings.next, looks.next].compactMap { $0 }.min() }
}

/// When something is to be done about some of the sockets: a turn of the loop need not go through all of them.
private struct SocketTimes {
    private var times: [(socket: SharedSocket, at: Instant)] = []

    subscript(socket: SharedSocket) -> Instant? {
        get { times.first { $0.socket === socket }?.at }
        set {
            times.removeAll { $0.socket === socket }
            if let newValue { times.append((socket, newValue)) }
        }
    }

    func due(at now: Instant) -> [SharedSocket] { times.filter { $0.at <= now }.map { $0.socket } }

    var next: Instant? { times.lazy.map { $0.at }.min() }
}
