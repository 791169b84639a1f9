// The sockets of workers that the daemon holds too: which of them listen on the same address, and what happens to those
// that no worker has any more.
//
// While the daemon holds a socket, it is open for the kernel: connections arrive, and no process accepts them. So a
// socket that its worker has left gets no new connections as long as other workers serve its address. The connections
// in its queue go to the next worker that binds the address, and if none does, the socket is discarded.
internal import CLinux
internal import Glibc
internal import Reloader

final class SharedSockets {
    /// How long connections wait to be taken over, in the queue of a socket that its worker has closed or that its
    /// worker's successor has not taken.
    static let takeoverPatience = Duration.seconds(2)
    /// How long connections may wait in a queue before the daemon checks whether the worker still has the socket.
    static let queuePatience = Duration.seconds(1)

    private(set) var all: [SharedSocket] = []
    private var groups: [SharedAddress: SteeringGroup] = [:]
    /// For sockets without an owner: when each is discarded, with the connections in its queue. A socket that has no
    /// time here waits for the next worker of its slot.
    private var goings = SocketTimes()
    /// For sockets whose queues were not empty: when to check whether their owners still have them.
    private var looks = SocketTimes()
    /// Sockets that are no longer held; the loop must stop watching them.
    private var departed: [SharedSocket] = []

    // MARK: for the daemon that comes next

    struct State: Codable {
        struct Group: Codable {
            let address: SharedAddress
            /// The number of a socket is its place in `all`.
            let group: SteeringGroup.State
        }

        let all: [SharedSocket.State]
        let groups: [Group]
        let goings: [SocketTimes.Time]
        let looks: [SocketTimes.Time]
    }

    init() {}

    func state(_ descriptors: inout RowDescriptors) -> State {
        func number(_ socket: SharedSocket) -> Int? { all.firstIndex { $0 === socket } }
        return State(
            all: all.map { $0.state(&descriptors) },
            groups: groups.map { State.Group(address: $0.key, group: $0.value.state(number)) },
            goings: goings.state(number), looks: looks.state(number))
    }

    init(_ state: State, of key: String, in rows: StateRows, _ workers: Workers) throws(StateError) {
        for socket in state.all { all.append(try SharedSocket(socket, of: key, in: rows, workers)) }
        let all = all
        func socket(_ number: Int) -> SharedSocket? { all.indices.contains(number) ? all[number] : nil }
        for group in state.groups { groups[group.address] = try SteeringGroup(group.group, socket) }
        for time in state.goings { if let socket = socket(time.socket) { goings[socket] = time.at } }
        for time in state.looks { if let socket = socket(time.socket) { looks[socket] = time.at } }
    }

    /// See `SteeringGroup.takeOver`.
    func takeOver() {
        var table: SocketTable?
        do throws(SystemError) { table = try SocketTable() } catch {}
        for address in groups.keys {
            let listening = table?.all.filter { $0.listens && ListenAddress($0) == address.listenAddress }
            let inodes = listening.map { Set($0.map { $0.inode }) }
            groups[address]?.takeOver(listening: inodes?.isEmpty ?? true ? nil : inodes)
        }
    }

    // MARK: which sockets there are

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

    // MARK: groups

    func hold(_ socket: SharedSocket) { all.append(socket) }

    /// Call it when `socket` has begun to listen.
    func join(_ socket: SharedSocket) { groups[socket.address, default: SteeringGroup()].join(socket) }

    /// A socket that is not held here is about to listen on the address.
    func admitStranger(on address: SharedAddress) { groups[address, default: SteeringGroup()].admitStranger() }

    /// Call it before a socket begins to listen on the address.
    func noticeThoseGone(from address: SharedAddress) { groups[address]?.noticeThoseGone() }

    func nobodyListens(on address: SharedAddress) -> Bool { groups[address]?.members.isEmpty ?? true }

    /// Steers new connections to the workers that serve. Returns the failures.
    func steer(to serving: Set<WorkerID>) -> [SystemError] {
        var failures: [SystemError] = []
        for address in groups.keys {
            do throws(SystemError) {
                try groups[address]?.steer { $0.owner.map { serving.contains($0.id) } ?? false }
            } catch { failures.append(error) }
        }
        return failures
    }

    /// Keeps new connections out, because no worker will serve them. They are refused if the kernel allows that;
    /// otherwise they are not answered as long as a worker still has a socket on their address. Returns the failures.
    func refuseConnections() -> [SystemError] {
        var failures: [SystemError] = []
        for address in groups.keys where !(groups[address]?.chooseNobody() ?? true) {
            for socket in groups[address]?.members ?? [] {
                do throws(SystemError) { try socket.refuse() } catch { failures.append(error) }
            }
        }
        return failures
    }

    // MARK: sockets without a worker

    /// Call it when no worker has the socket. It is discarded at once if its queue is empty; otherwise it takes no new
    /// connections, and is discarded after `takeoverPatience`.
    func letGo(_ socket: SharedSocket, at now: Instant) {
        socket.loseOwner()
        if socket.isQueueEmpty { return discard(socket) }
        // If that fails, new connections still reach it until it is discarded, which is no worse than before.
        do throws(SystemError) { try socket.refuse() } catch {}
        if goings[socket] == nil { goings[socket] = now + Self.takeoverPatience }
    }

    /// Lets go of the sockets of the slot's earlier workers that no worker has now.
    func letGoOfOrphans(slot: Int, at now: Instant) {
        for socket in all where socket.owner == nil && socket.slot == slot { letGo(socket, at: now) }
    }

    /// A socket that no worker has and in whose queue connections wait; preferably one of the same slot.
    func waiting(_ address: SharedAddress, slot: Int) -> SharedSocket? {
        let orphans = all.filter { $0.owner == nil && $0.address == address && !$0.isQueueEmpty }
        return orphans.first { $0.slot == slot } ?? orphans.first
    }

    /// Call it when a worker has taken the socket over.
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

    /// Discards sockets that no worker has taken over in time, and returns those with connections in their queues, and
    /// how many.
    func discardOverdue(at now: Instant) -> [(address: SharedAddress, connections: Int)] {
        let overdue = goings.due(at: now)
        let lost = overdue.map { ($0.address, $0.queue ?? 0) }
        for socket in overdue { discard(socket) }
        return lost.filter { $0.1 > 0 }
    }

    // MARK: idle queues

    /// Watches each queue until a connection waits in it, and again after that was looked at.
    func watchQueues(_ loop: Loop) throws(SystemError) {
        for socket in departed { try loop.unwatch(socket.channel) }
        departed.removeAll()
        for socket in all where socket.isListening && !socket.address.isDatagram && socket.channel.token == nil {
            try loop.watch(socket.channel, .queue(socket), [.readable, .once])
        }
    }

    /// Call it when a connection waits to be accepted.
    func queueHasSomebody(_ socket: SharedSocket, at now: Instant) { looks[socket] = now + Self.queuePatience }

    /// Returns each socket once whose queue was not empty `queuePatience` ago.
    func takeQueuesToLookAt(at now: Instant) -> [SharedSocket] {
        let due = looks.due(at: now)
        for socket in due { looks[socket] = nil }
        return due
    }

    var nextDeadline: Instant? { [goings.next, looks.next].compactMap { $0 }.min() }
}

/// The times at which something has to be done about some sockets, so that a turn of the loop need not go through all
/// of them.
struct SocketTimes {
    /// A time for the daemon that comes next, with the number of a socket.
    struct Time: Codable {
        let socket: Int
        let at: Instant
    }

    fileprivate func state(_ number: (SharedSocket) -> Int?) -> [Time] {
        times.compactMap { time in number(time.socket).map { Time(socket: $0, at: time.at) } }
    }

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
