// Programs that listen on a port only to find out whether it is free.
internal import Reloader

/// Keeps track of programs that probe whether a port is free: they listen on it, close it, and listen again. The first
/// time is no sign that they serve. If one worker was seen to do that, the next worker is expected to do it too;
/// otherwise a program is taken to serve as soon as it listens.
struct ProbeBook {
    /// A listener that was open longer than this was not a probe.
    static let longest = Duration.seconds(5)

    /// How often each worker has begun to listen on a port.
    private(set) var begun: [WorkerID: [UInt16: Int]] = [:]
    /// How many of those were probes, according to the last worker whose start was seen to the end.
    private(set) var expected: [UInt16: Int] = [:]

    init() {}

    init(expected: [UInt16: Int], begun: [WorkerID: [UInt16: Int]]) {
        self.expected = expected
        self.begun = begun
    }

    mutating func began(_ worker: WorkerID, on port: UInt16) { begun[worker, default: [:]][port, default: 0] += 1 }

    mutating func closed(_ worker: WorkerID, _ port: UInt16, after time: Duration) {
        guard time <= Self.longest, let count = begun[worker]?[port] else { return }
        expected[port] = max(expected[port] ?? 0, count)
    }

    /// Notes that the worker listens on these ports for good, however often it has begun to.
    mutating func settled(_ worker: WorkerID, on ports: Set<UInt16>) {
        for (port, count) in begun[worker] ?? [:] where ports.contains(port) {
            expected[port] = min(expected[port] ?? 0, count - 1)
        }
    }

    mutating func forget(_ worker: WorkerID) { begun[worker] = nil }

    /// Whether an earlier worker closed its listener again at this point of its start.
    func isProbe(_ worker: WorkerID, on port: UInt16) -> Bool { (begun[worker]?[port] ?? 0) <= (expected[port] ?? 0) }

    /// The same for the next time that the worker begins to listen.
    func willProbe(_ worker: WorkerID, on port: UInt16) -> Bool { (begun[worker]?[port] ?? 0) < (expected[port] ?? 0) }
}
