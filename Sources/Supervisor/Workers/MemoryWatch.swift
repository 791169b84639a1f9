// Workers and memory: what they take of it, for --max-memory and for `status`, and which of them the kernel has killed for
// want of it.
internal import Reloader

/// --max-memory: what ready workers take can only be looked at, so time drives it; without the option nothing is armed.
final class MemoryWatch {
    /// Between two looks at each worker: leaks are slower, and looking at large workers costs milliseconds each.
    private static let period = Duration.seconds(10)

    private let loop: Loop
    private let story: Story
    private var lookAt: Instant?
    let gauge = MemoryGauge()

    init(_ loop: Loop, _ story: Story) {
        self.loop = loop
        self.story = story
    }

    /// When to look next; nil: never, or not while no worker serves.
    ///
    /// - Parameter isWanted: there is a limit, and some worker serves.
    func plan(isWanted: Bool) -> Instant? {
        if !isWanted {
            lookAt = nil
        } else if lookAt == nil {
            lookAt = MonotonicClock.now() + Self.period
        }
        return lookAt
    }

    /// The workers to look at now: those that are ready, and are not to be replaced anyway.
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

    /// The event for the core if the worker takes more than `limit` bytes, which is told.
    func look(at worker: WorkerProcess, limit: UInt64) -> Event? {
        guard let bytes = memory(of: worker, above: limit) else { return nil }
        story.tell(
            worker.record(
                .warning, "worker_over_memory",
                "worker takes \(byteCountText(bytes)) of memory, more than --max-memory \(byteCountText(limit))",
                [("memory", .number(Int(bytes)))]))
        return .overMemory(worker.id)
    }

    /// nil: no more than the limit. The dear measure is taken only if the cheap one is above it.
    private func memory(of worker: WorkerProcess, above limit: UInt64) -> UInt64? {
        let processes = ProcessTree.processes(of: worker.pid)
        if gauge.upperBound(processes, loop.buffer) <= limit { return nil }
        let bytes = gauge.measure(worker.id, processes, loop.buffer)
        return bytes > limit ? bytes : nil
    }
}

/// The proportional share (PSS) of a worker and of the processes that it started. The kernel walks all of a process' pages for
/// it, which takes milliseconds of a large one.
final class MemoryGauge {
    /// At most so much of the daemon's time goes into measuring: a worker that took 1 ms to measure is measured again no
    /// sooner than after 100 ms.
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

    /// Of a worker's processes, as it was a moment ago where measuring is dear; nil: not measured yet, and `until` is over.
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

/// Processes that the kernel has killed because their control group was out of memory: memory.events in v2, memory.oom_control in
/// v1. Which processes they were it does not say; a worker that was killed by signal 9 at the same time is taken for one.
struct OutOfMemoryKills {
    /// How long a kill that was counted explains the end of a worker: it is counted before the end is seen.
    private static let lasts = Duration.seconds(5)

    private let file: String?
    private var counted: UInt64 = 0
    /// Those that explain nothing yet.
    private var unexplained: UInt64 = 0
    private var seenAt = Instant(nanoseconds: 0)

    /// Of the daemon's own group, in which its workers are.
    init() {
        let files = Cgroup.own(with: "memory").compactMap { group in
            group.directories.first.map { "\($0)/\(group.isUnified ? "memory.events" : "memory.oom_control")" }
        }
        file = files.first { Self.count($0) != nil }
        counted = file.flatMap(Self.count) ?? 0
    }

    /// To be called at each start and end of a worker, so that what is counted meanwhile is known to be new.
    mutating func look() {
        guard let count = file.flatMap(Self.count), count > counted else { return }
        if MonotonicClock.now() - seenAt > Self.lasts { unexplained = 0 }
        unexplained += count - counted
        counted = count
        seenAt = MonotonicClock.now()
    }

    /// A worker was killed by signal 9, and not by the daemon.
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
