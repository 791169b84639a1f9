// What workers take of memory, for --max-memory and for `status`: the proportional share (PSS) of a worker and of the
// processes that it started. The kernel walks all of a process' pages for it, which takes milliseconds of a large one.
internal import Reloader

final class MemoryGauge {
    /// At most so much of the daemon's time goes into measuring: a worker that took 1 ms to measure is measured again
    /// no sooner than after 100 ms.
    private static let costFactor = 100
    /// One `status` measures no longer; what was measured before is shown of the others.
    static let statusBudget = Duration.milliseconds(50)

    private struct Reading {
        var bytes: UInt64
        var validUntil: Instant
    }

    private var readings: [WorkerID: Reading] = [:]

    /// Of a worker's processes, measured now.
    func measure(_ id: WorkerID, _ processes: [Int32], _ buffer: UnsafeMutableRawBufferPointer) -> UInt64 {
        let start = MonotonicClock.now()
        let bytes = processes.reduce(UInt64(0)) { sum, process in
            sum + (ProcessMemory.proportionalBytes(of: process) ?? Self.resident(process, buffer))
        }
        let end = MonotonicClock.now()
        readings[id] = Reading(bytes: bytes, validUntil: end + (end - start) * Self.costFactor)
        return bytes
    }

    /// Of a worker's processes, as it was a moment ago where measuring is dear; nil: not measured yet, and `until` is
    /// over.
    func bytes(
        _ id: WorkerID, _ processes: [Int32], until: Instant, _ buffer: UnsafeMutableRawBufferPointer
    ) -> UInt64? {
        let now = MonotonicClock.now()
        if let reading = readings[id], reading.validUntil > now || until <= now { return reading.bytes }
        return until <= now ? nil : measure(id, processes, buffer)
    }

    /// Each process' resident bytes, shared pages counted in each: never less than what `measure` would say, and cheap.
    func upperBound(_ processes: [Int32], _ buffer: UnsafeMutableRawBufferPointer) -> UInt64 {
        processes.reduce(0) { $0 + Self.resident($1, buffer) }
    }

    /// The worker is gone.
    func forget(_ id: WorkerID) { readings[id] = nil }

    private static func resident(_ process: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> UInt64 {
        UInt64(clamping: ProcessStatus(process, buffer)?.residentBytes ?? 0)
    }
}
