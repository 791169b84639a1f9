// What all workers use, measured in one go for `status`: their processes, one dump of the kernel's sockets, and the
// workers' descriptors as far as a bound allows.
internal import CLinux
internal import Glibc
internal import Reloader

struct PoolUsage {
    /// A port that workers opened without the daemon.
    struct OwnPort {
        let address: ListenAddress
        var workers: Set<WorkerID>
        var queue: Int
    }

    private var usages: [WorkerID: WorkerUsage] = [:]
    private var queues: [UInt64: Int] = [:]
    /// TCP ports that are neither the daemon's nor shared, ordered by number.
    private(set) var ownPorts: [OwnPort] = []

    /// - Parameters:
    ///   - processes: of each worker.
    ///   - listeners: inodes of the daemon's own listening sockets.
    ///   - shared: inodes of those that all workers accept from, so that no single worker owns their queues.
    ///   - known: inodes of the listening sockets that workers share through the daemon.
    init(
        of workers: [WorkerProcess], _ processes: [WorkerID: [Int32]], _ gauge: MemoryGauge, listeners: [UInt64],
        shared: Set<UInt64>, known: Set<UInt64>, _ buffer: UnsafeMutableRawBufferPointer
    ) {
        for worker in workers {
            let tree = processes[worker.id] ?? []
            let times = tree.compactMap { ProcessStatus($0, buffer)?.cpuSeconds }
            usages[worker.id] = WorkerUsage(
                memoryBytes: gauge.bytes(worker.id).map { Int(clamping: $0) },
                cpuSeconds: times.isEmpty ? nil : times.reduce(0, +))
        }
        let table: SocketTable
        do throws(SystemError) { table = try SocketTable() } catch { return }
        let found = table.sockets(listeners).filter { $0.listens }
        for socket in found + table.sockets(known) { queues[socket.inode] = Int(socket.queue) }
        let sockets = Self.inodes(of: workers, processes).mapValues { table.sockets($0) }
        count(sockets, addresses: Set(found.map { $0.address }), shared: shared)
        findOwnPorts(sockets, except: Set(listeners).union(known))
    }

    subscript(id: WorkerID) -> WorkerUsage { usages[id] ?? WorkerUsage() }

    /// Connections that wait to be accepted from this listener of the daemon; nil: it is neither a TCP nor a unix
    /// listener.
    func queue(of listener: Listener) -> Int? { listener.inode.flatMap { queues[$0] } }

    /// Connections that wait on a socket by which workers share a port, 1 for any number of datagrams.
    func queue(of socket: SocketRow, _ channel: Channel?) -> Int {
        guard socket.address.isDatagram, let channel else { return queues[socket.inode] ?? 0 }
        var bytes: Int32 = 0
        return ioctl(channel.number, UInt(FIONREAD), &bytes) == 0 && bytes > 0 ? 1 : 0
    }

    private mutating func count(_ sockets: [WorkerID: [rl_socket]], addresses: Set<UInt64>, shared: Set<UInt64>) {
        var addresses = addresses
        for socket in sockets.values.joined() where socket.listens { addresses.insert(socket.address) }
        for (id, sockets) in sockets {
            let own = sockets.filter { $0.listens && !shared.contains($0.inode) }
            usages[id]?.queue = own.isEmpty ? nil : own.reduce(0) { $0 + Int($1.queue) }
            // The worker's outgoing connections, for example to a database, are not counted.
            usages[id]?.connections = sockets.count { !$0.listens && addresses.contains($0.address) }
        }
    }

    private mutating func findOwnPorts(_ sockets: [WorkerID: [rl_socket]], except known: Set<UInt64>) {
        var seen = known
        for (id, sockets) in sockets.sorted(by: { $0.key < $1.key }) {
            for socket in sockets where socket.listens && !known.contains(socket.inode) {
                guard let address = ListenAddress(socket) else { continue }
                let queue = seen.insert(socket.inode).inserted ? Int(socket.queue) : 0
                if let place = ownPorts.firstIndex(where: { $0.address == address }) {
                    ownPorts[place].workers.insert(id)
                    ownPorts[place].queue += queue
                } else {
                    ownPorts.append(OwnPort(address: address, workers: [id], queue: queue))
                }
            }
        }
        ownPorts.sort { ($0.address.port ?? 0) < ($1.address.port ?? 0) }
    }

    /// The inodes of the sockets that each worker and its processes have open. Workers beyond the bound are left out.
    private static func inodes(
        of workers: [WorkerProcess], _ processes: [WorkerID: [Int32]]
    ) -> [WorkerID: Set<UInt64>] {
        var left = ControlLimits.descriptorsMax
        var inodes: [WorkerID: Set<UInt64>] = [:]
        for worker in workers {
            var own: Set<UInt64> = []
            for process in processes[worker.id] ?? [] {
                guard left > 0, let found = OpenSockets.all(of: process, atMost: &left) else { return inodes }
                own.formUnion(found.map { $0.inode })
            }
            inodes[worker.id] = own
        }
        return inodes
    }
}

/// What a worker uses, together with the processes that it started.
struct WorkerUsage {
    /// Memory as `--max-memory` measures it: see `MemoryGauge`.
    var memoryBytes: Int?
    /// User and system time of its living processes, since their starts.
    var cpuSeconds: Double?
    /// Established connections to the pool's addresses; nil: there are too many to count, or the kernel doesn't tell.
    var connections: Int?
    /// Connections in the queues of the worker's own listening sockets; nil: it has no such sockets.
    var queue: Int?
}
