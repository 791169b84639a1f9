// The memory of workers: how much they use, for --max-memory and for `status`, and which of them the kernel has killed
// because memory ran out.
internal import Reloader

/// Enforces --max-memory. Nothing announces that a worker grows, so a timer drives the measurements; without the option
/// no timer is armed.
final class MemoryWatch {
    /// The time between two measurements of a worker: leaks are slower than that, and measuring a large worker costs
    /// milliseconds.
    private static let period = Duration.seconds(10)

    private let loop: Loop
    private let story: Story
    private var lookAt: Instant?
    let gauge = MemoryGauge()

    init(_ loop: Loop, _ story: Story) {
        self.loop = loop
        self.story = story
    }

    /// When to measure next; nil if never, or as long as no worker serves.
    ///
    /// - Parameter isWanted: whether there is a limit and some worker serves.
    func plan(isWanted: Bool) -> Instant? {
        if !isWanted {
            lookAt = nil
        } else if lookAt == nil {
            lookAt = MonotonicClock.now() + Self.period
        }
        return lookAt
    }

    /// The workers to measure now: those that are ready and will not be replaced anyway.
    func takeDue(_ slots: [Slot]) -> [WorkerID] {
        guard let look = lookAt, look <= MonotonicClock.now() else { return [] }
        lookAt = nil
        return slots.compactMap { slot in
            guard let current = slot.current, current.state.isReady, current.recycleReason == nil,
                current.memoryAt == nil
            else { return nil }
            return current.id
        }
    }

    /// Measures the worker. If it uses more than `limit` bytes, logs that and returns the event for the core.
    func look(at worker: WorkerProcess, limit: UInt64) -> Event? {
        guard let bytes = memory(of: worker, above: limit) else { return nil }
        story.tell(
            worker.record(
                .warning, "worker_over_memory",
                "worker uses \(byteCountText(bytes)) of memory, more than --max-memory \(byteCountText(limit))",
                [("memory", .number(Int(clamping: bytes)))]))
        return .overMemory(worker.id)
    }

    /// nil if the worker does not exceed the limit. The expensive measure is taken only if the cheap one exceeds it.
    private func memory(of worker: WorkerProcess, above limit: UInt64) -> UInt64? {
        let processes = ProcessTree.processes(of: worker.pid)
        if gauge.upperBound(processes, loop.buffer) <= limit { return nil }
        let bytes = gauge.measure(worker.id, processes, loop.buffer)
        return bytes > limit ? bytes : nil
    }
}

/// The proportional share (PSS) of a worker and of the processes that it started. To compute it, the kernel walks all
/// pages of a process, which takes milliseconds if the process is large.
final class MemoryGauge {
    /// Bounds the share of the daemon's time that goes into measuring: a worker that took 1 ms to measure is measured
    /// again after 100 ms at the earliest.
    private static let costFactor = 100
    /// A `status` request measures for no longer than this; for the other workers it shows their last measurement.
    static let statusBudget = Duration.milliseconds(50)

    private struct Reading {
        var bytes: UInt64
        var validUntil: Instant
    }

    private var readings: [WorkerID: Reading] = [:]

    /// The memory of a worker's processes, measured now.
    func measure(_ id: WorkerID, _ processes: [Int32], _ buffer: UnsafeMutableRawBufferPointer) -> UInt64 {
        let start = MonotonicClock.now()
        let bytes = processes.reduce(UInt64(0)) { sum, process in
            Self.sum(sum, ProcessMemory.proportionalBytes(of: process) ?? Self.resident(process, buffer))
        }
        let end = MonotonicClock.now()
        readings[id] = Reading(bytes: bytes, validUntil: end + (end - start) * Self.costFactor)
        return bytes
    }

    /// The memory of a worker's processes; a recent measurement if measuring is expensive; nil if there is none yet and
    /// `until` has passed.
    func bytes(
        _ id: WorkerID, _ processes: [Int32], until: Instant, _ buffer: UnsafeMutableRawBufferPointer
    ) -> UInt64? {
        let now = MonotonicClock.now()
        if let reading = readings[id], reading.validUntil > now || until <= now { return reading.bytes }
        return until <= now ? nil : measure(id, processes, buffer)
    }

    /// The sum of the resident bytes of all processes, which counts shared pages once for each process: cheap, and
    /// never less than what `measure` would return.
    func upperBound(_ processes: [Int32], _ buffer: UnsafeMutableRawBufferPointer) -> UInt64 {
        processes.reduce(0) { Self.sum($0, Self.resident($1, buffer)) }
    }

    /// The worker is gone.
    func forget(_ id: WorkerID) { readings[id] = nil }

    /// Saturates: no sum of what the kernel says may end the daemon.
    private static func sum(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? .max : sum
    }

    private static func resident(_ process: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> UInt64 {
        UInt64(clamping: ProcessStatus(process, buffer)?.residentBytes ?? 0)
    }
}

/// Counts the processes that the kernel has killed because their control group was out of memory: memory.events in v2,
/// memory.oom_control in v1. The kernel does not say which processes it killed; a worker that was killed by signal 9 at
/// the same time is assumed to be one of them.
struct OutOfMemoryKills: Codable {
    /// How long after it was counted a kill may explain the end of a worker: the kernel counts it before the daemon
    /// sees the end.
    private static let lasts = Duration.seconds(5)

    private let file: String?
    private var counted: UInt64 = 0
    /// Counted kills that have not yet explained the end of a worker.
    private var unexplained: UInt64 = 0
    private var seenAt = Instant(nanoseconds: 0)

    /// Counts in the daemon's own group, which its workers are in too.
    init() {
        let files = Cgroup.own(with: "memory").compactMap { group in
            group.directories.first.map { "\($0)/\(group.isUnified ? "memory.events" : "memory.oom_control")" }
        }
        file = files.first { Self.count($0) != nil }
        counted = file.flatMap(Self.count) ?? 0
    }

    /// Call it at each start and end of a worker, so that kills counted in between are known to be new.
    mutating func look() {
        guard let count = file.flatMap(Self.count), count > counted else { return }
        if MonotonicClock.now() - seenAt > Self.lasts { unexplained = 0 }
        unexplained += count - counted
        counted = count
        seenAt = MonotonicClock.now()
    }

    /// Whether a worker that was killed by signal 9, but not by the daemon, was killed because memory ran out.
    mutating func explainsKill() -> Bool {
        look()
        guard unexplained > 0, MonotonicClock.now() - seenAt <= Self.lasts else { return false }
        unexplained -= 1
        return true
    }

    /// `oom_kill 3`
    private static func count(_ path: String) -> UInt64? {
        ProcFile.lines(path).first { $0.hasPrefix("oom_kill ") }?.split(separator: " ").last.flatMap {
            decimal($0.utf8)
        }
    }
}
