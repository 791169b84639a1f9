// What all workers use, measured in one go for `status`: one read a worker, one dump of the kernel's sockets, and a look at
// the workers' descriptors as far as a bound allows.

struct PoolUsage {
    private var usages: [Int32: WorkerUsage] = [:]

    /// - Parameters:
    ///   - ports: those of the daemon's own listeners.
    ///   - shared: inodes of listening sockets that all workers accept from: their queues are nobody's own.
    init(of pids: [Int32], ports: Set<UInt16>, shared: Set<UInt64>, _ buffer: UnsafeMutableRawBufferPointer) {
        for pid in pids {
            let status = ProcessStatus(pid, buffer)
            usages[pid] = WorkerUsage(memoryBytes: status?.residentBytes, cpuSeconds: status?.cpuSeconds)
        }
        let table: SocketTable
        do throws(SystemError) { table = try SocketTable() } catch { return }
        count(Self.inodes(of: pids), table, ports: ports, shared: shared)
    }

    subscript(pid: Int32) -> WorkerUsage { usages[pid] ?? WorkerUsage() }

    private mutating func count(
        _ inodes: [Int32: [UInt64]], _ table: SocketTable, ports: Set<UInt16>, shared: Set<UInt64>
    ) {
        let sockets = inodes.mapValues { table.sockets($0) }
        var ports = ports
        for socket in sockets.values.joined() where socket.listens { ports.insert(socket.port) }
        for (pid, sockets) in sockets {
            let own = sockets.filter { $0.listens && !shared.contains($0.inode) }
            usages[pid]?.queue = own.isEmpty ? nil : own.reduce(0) { $0 + Int($1.queue) }
            // What it has connected itself, to a database say, is not counted.
            usages[pid]?.connections = sockets.count { !$0.listens && ports.contains($0.port) }
        }
    }

    /// Of the sockets that each has, until the bound is reached; then of no more.
    private static func inodes(of pids: [Int32]) -> [Int32: [UInt64]] {
        var left = ControlLimits.descriptorsMax
        var inodes: [Int32: [UInt64]] = [:]
        for pid in pids where left > 0 {
            guard let found = OpenSockets.inodes(of: pid, atMost: &left) else { break }
            inodes[pid] = found
        }
        return inodes
    }
}
