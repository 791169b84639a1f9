// The sockets of workers that the helper holds too: which of them listen on the same address, and what happens to those
// that no worker has any more.
//
// While the helper holds a socket, it is open for the kernel: connections arrive, and no process accepts them. So a
// socket that its worker has left gets no new connections as long as other workers serve its address. The connections
// in its queue go to the next worker that binds the address, and if none does, the socket is discarded.
internal import CLinux
internal import Glibc
internal import Reloader

final class SharedSockets {
    /// How long connections wait to be taken over, in the queue of a socket that its worker has closed or that its
    /// worker's successor has not taken.
    static let takeoverPatience = Duration.seconds(2)

    private(set) var all: [SharedSocket] = []
    private var groups: [SharedAddress: SteeringGroup] = [:]
    /// Sockets that are no longer held, and that the daemon does not know to be gone.
    private var departed: [SharedSocket] = []
    /// When sockets on these ports were discarded. The daemon has descriptors of them for another moment, in which the
    /// port is still bound.
    private var leftAt: [UInt16: Instant] = [:]
    private let mark: TouchMark

    init(_ mark: TouchMark) { self.mark = mark }

    func of(_ worker: WorkerID) -> [SharedSocket] { all.filter { $0.owner?.id == worker } }

    /// The addresses that a worker listens on.
    func addresses(of worker: WorkerID) -> Set<SharedAddress> {
        Set(all.lazy.filter { $0.owner?.id == worker && $0.isListening }.map { $0.address })
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
        if socket.row.leavesAt == nil { socket.leaves(at: now + Self.takeoverPatience) }
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
    func keep(_ socket: SharedSocket) { socket.leaves(at: nil) }

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
        departed.append(socket)
        if !socket.address.isDatagram { leftAt[socket.address.port] = MonotonicClock.now() }
    }

    /// Whether a socket of a worker that is no longer held may still be bound to the port, with SO_REUSEPORT.
    func mayBeLeaving(_ port: UInt16, at now: Instant) -> Bool {
        leftAt = leftAt.filter { now - $0.value < Self.leavingTime }
        return leftAt[port] != nil
    }

    /// The daemon lets go of it within milliseconds, or when another helper is there.
    private static let leavingTime = Duration.seconds(3)

    /// Discards sockets that no worker has taken over in time, and returns those with connections in their queues.
    func discardOverdue(at now: Instant) -> [LostQueue] {
        let overdue = all.filter { $0.row.leavesAt.map { $0 <= now } ?? false }
        let lost = overdue.map { LostQueue(address: $0.address, connections: $0.queue ?? 0) }
        for socket in overdue { discard(socket) }
        return lost.filter { $0.connections > 0 }
    }

    // MARK: the book

    /// Takes sockets and groups as an earlier helper has left them.
    ///
    /// - Parameter channels: of these rows. A socket without one is not held, as far as this helper is concerned.
    func restore(_ rows: [(row: SocketRow, channel: Channel?)], _ groupRows: [SharedAddress: GroupRow]) {
        for (row, channel) in rows {
            if let channel { all.append(SharedSocket(channel, row, mark)) } else { admitStranger(on: row.address) }
        }
        for address in Set(all.lazy.map { $0.address }).union(groupRows.keys) {
            let members = all.filter { $0.address == address && $0.isListening }
            let row = groups[address]?.row ?? groupRows[address] ?? GroupRow()
            groups[address] = SteeringGroup(
                row, members: members.sorted { ($0.row.member ?? 0) < ($1.row.member ?? 0) })
        }
    }

    /// The groups of which not all is known.
    var groupRows: [SharedAddress: GroupRow] { groups.mapValues { $0.row }.filter { $0.value != GroupRow() } }

    /// What has become of the sockets since the last call, and the descriptors of those that are new. Those that are
    /// no longer held are closed.
    func takeChanges() -> [(change: BookChange, channel: Channel?)] {
        var changes: [(change: BookChange, channel: Channel?)] = all.compactMap { socket in
            guard let change = socket.takeNews() else { return nil }
            if case .socket(_, isNew: true) = change { return (change, socket.channel) }
            return (change, nil)
        }
        changes += departed.map { (.noSocket($0.inode), nil) }
        departed.removeAll()
        return changes
    }

    /// Never touches what the worker owns.
    func bar(_ worker: WorkerID) { for socket in of(worker) { socket.isBarred = true } }
}
