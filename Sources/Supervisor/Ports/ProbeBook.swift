// Programs that look whether a port is free: they listen on it, close it, and listen again. The first of these is no
// sign that they serve. What one worker was seen to do, the next is expected to do as well; a program that was never
// seen to is taken to serve when it listens.
internal import Reloader

struct ProbeBook {
    /// A listener that is closed later than this after it began was no probe.
    static let longest = Duration.seconds(5)

    /// How often each worker has begun to listen on a port.
    private var begun: [WorkerID: [UInt16: Int]] = [:]
    /// How many of those were probes, of the last worker that was seen to the end of its start.
    private var expected: [UInt16: Int] = [:]

    mutating func began(_ worker: WorkerID, on port: UInt16) { begun[worker, default: [:]][port, default: 0] += 1 }

    mutating func closed(_ worker: WorkerID, _ port: UInt16, after time: Duration) {
        guard time <= Self.longest, let count = begun[worker]?[port] else { return }
        expected[port] = max(expected[port] ?? 0, count)
    }

    /// The worker is known to listen on these ports for good, however often it has begun to.
    mutating func settled(_ worker: WorkerID, on ports: Set<UInt16>) {
        for (port, count) in begun[worker] ?? [:] where ports.contains(port) {
            expected[port] = min(expected[port] ?? 0, count - 1)
        }
    }

    mutating func forget(_ worker: WorkerID) { begun[worker] = nil }

    /// Another worker closed again what this one has begun to listen on.
    func isProbe(_ worker: WorkerID, on port: UInt16) -> Bool { (begun[worker]?[port] ?? 0) <= (expected[port] ?? 0) }

    /// As above, of the next time that it begins to.
    func willProbe(_ worker: WorkerID, on port: UInt16) -> Bool { (begun[worker]?[port] ?? 0) < (expected[port] ?? 0) }
}
