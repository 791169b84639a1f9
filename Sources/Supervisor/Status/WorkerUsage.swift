// What a worker uses, with the processes that it started.

struct WorkerUsage {
    /// As `--max-memory` measures it: see `MemoryGauge`.
    var memoryBytes: Int?
    /// User and system time since its start, of those of its processes that live.
    var cpuSeconds: Double?
    /// Established connections to the pool's addresses; nil: too many to count, or the kernel doesn't tell.
    var connections: Int?
    /// Connections in the queues of listening sockets that are its own; nil: it has none.
    var queue: Int?
}
