// What a worker uses. Only its main process: what it has started itself is its own business.

struct WorkerUsage {
    /// Resident memory, shared pages included (RSS). The proportional share (PSS) would be truer for programs that share
    /// much, but costs a walk through the worker's page tables under its own lock: up to milliseconds a worker.
    var memoryBytes: Int?
    /// User and system time since its start.
    var cpuSeconds: Double?
    /// Established connections to the pool's addresses; nil: too many to count, or the kernel doesn't tell.
    var connections: Int?
    /// Connections in the queues of listening sockets that are its own; nil: it has none.
    var queue: Int?
}
