// Which hooks run and which wait: few at once, a bounded number in line, and what is beyond that is dropped and
// counted. Does nothing itself.
internal import Reloader

/// One run of the hook, still to come.
struct HookEvent {
    /// RELOADERD_EVENT.
    let name: String
    /// One line.
    let json: [UInt8]
    /// For /bin/sh -c, as the settings had it when the event happened.
    let command: String
    let timeout: Duration
}

struct HookQueue {
    /// Run at once: enough that one that hangs doesn't hold up the next, too few to matter beside the workers.
    static let runningMax = 4
    /// Wait: a crash storm of a pool. Each holds its JSON, some 50 KB at the very most.
    static let waitingMax = 64
    /// How long the daemon, at its end, waits for those that run.
    static let lastMoment = Duration.seconds(1)

    private(set) var running: [HookProcess] = []
    private var waiting: [HookEvent] = []
    private var droppedEvents = 0
    private var end: Instant?

    /// The daemon ends.
    var isEnding: Bool { end != nil }

    /// Nothing runs or waits any more.
    var areDone: Bool { waiting.isEmpty && running.isEmpty }

    var nextDeadline: Instant? {
        let deadlines = running.filter(hasDeadline).map { $0.deadline }
        return (deadlines + (waiting.isEmpty ? [] : [end].compactMap { $0 })).min()
    }

    /// The event may be added; otherwise it is counted as dropped.
    mutating func hasRoom() -> Bool {
        if waiting.count < Self.waitingMax { return true }
        droppedEvents += 1
        return false
    }

    mutating func add(_ event: HookEvent) { waiting.append(event) }

    /// The next event whose hook may run now.
    mutating func next() -> HookEvent? {
        running.count < Self.runningMax && !waiting.isEmpty ? waiting.removeFirst() : nil
    }

    mutating func began(_ process: HookProcess) {
        if let end { process.deadline = min(process.deadline, end) }
        running.append(process)
    }

    mutating func ended(_ process: HookProcess) { running.removeAll { $0 === process } }

    /// Nobody ran for a while: those that seem to have run too long have all of their time again.
    func grantTimeAgain(at now: Instant) {
        for process in running where !process.isKilled && process.deadline + PoolClock.longSleep <= now {
            process.deadline = min(now + process.timeout, end ?? Instant(nanoseconds: .max))
        }
    }

    func process(_ pid: Int32) -> HookProcess? { running.first { $0.pid == pid } }

    /// Those that have run too long. Once all is to end, those that wait are dropped.
    mutating func overdue(at now: Instant) -> [HookProcess] {
        if let end, end <= now {
            droppedEvents += waiting.count
            waiting.removeAll()
        }
        return running.filter { hasDeadline($0) && $0.deadline <= now }
    }

    /// The daemon ends: no hook may run beyond `instant`. The first call counts.
    mutating func end(by instant: Instant) {
        if end != nil { return }
        end = instant
        for process in running {
            process.deadline = process.isKilled ? instant : min(process.deadline, instant)
        }
    }

    /// The end of one that was killed is only a matter of time, which the daemon has until its own end.
    private func hasDeadline(_ process: HookProcess) -> Bool { !process.isKilled || end != nil }

    /// Returns how many events were dropped since the last call.
    mutating func takeDroppedEvents() -> Int {
        defer { droppedEvents = 0 }
        return droppedEvents
    }
}
