// What all workers use, measured in one go for `status`: one read a worker, one dump of the kernel's sockets, and a look at
// the workers' descriptors as far as a bound allows.

struct PoolUsage {
    private var usages: [Int32: WorkerUsage] = [:]
    private var queues: [UInt64: Int] = [:]

    /// - Parameters:
    ///   - listeners: inodes of the daemon's own listening sockets.
    ///   - shared: those of them that all workers accept from: their queues are nobody's own.
    init(of pids: [Int32], listeners: [UInt64], shared: Set<UInt64>, _ buffer: UnsafeMutableRawBufferPointer) {
        for pid in pids {
            let status = ProcessStatus(pid, buffer)
            usages[pid] = WorkerUsage(memoryBytes: status?.residentBytes, cpuSeconds: status?.cpuSeconds)
        }
        let table: SocketTable
        do throws(SystemError) { table = try SocketTable() } catch { return }
        let found = table.sockets(listeners).filter { $0.listens }
        for listener in found { queues[listener.inode] = Int(listener.queue) }
        count(Self.inodes(of: pids), table, addresses: Set(found.map { $0.address }), shared: shared)
    }

    subscript(pid: Int32) -> WorkerUsage { usages[pid] ?? WorkerUsage() }

    /// Connections that wait to be accepted from this listener of the daemon; nil: it is none of TCP or unix.
    func queue(of listener: Listener) -> Int? { listener.inode.flatMap { queues[$0] } }

    private mutating func count(
        _ inodes: [Int32: Set<UInt64>], _ table: SocketTable, addresses: Set<UInt64>, shared: Set<UInt64>
    ) {
        let sockets = inodes.mapValues { table.sockets($0) }
        var addresses = addresses
        for socket in sockets.values.joined() where socket.listens { addresses.insert(socket.address) }
        for (pid, sockets) in sockets {
            let own = sockets.filter { $0.listens && !shared.contains($0.inode) }
            usages[pid]?.queue = own.isEmpty ? nil : own.reduce(0) { $0 + Int($1.queue) }
            // What it has connected itself, to a database say, is not counted.
            usages[pid]?.connections = sockets.count { !$0.listens && addresses.contains($0.address) }
        }
    }

    /// The sockets that each has, with its descendants, until the bound is reached; then of no more.
    private static func inodes(of pids: [Int32]) -> [Int32: Set<UInt64>] {
        var left = ControlLimits.descriptorsMax
        var inodes: [Int32: Set<UInt64>] = [:]
        for pid in pids {
            for process in ProcessTree.processes(of: pid) {
                guard left > 0, let found = OpenSockets.all(of: process, atMost: &left) else { return inodes }
                inodes[pid, default: []].formUnion(found.lazy.map { $0.inode })
            }
        }
        return inodes
    }
}
