// Which hooks run and which wait: few at once, a bounded number in line, and what is beyond that is dropped and
// counted. Does nothing itself.
internal import Reloader

struct HookQueue {
    /// Run at once: enough that one that hangs doesn't hold up the next, too few to matter beside the workers.
    static let runningMax = 4
    /// Wait: a crash storm of a pool. Each holds its JSON, some 50 KB at the very most.
    static let waitingMax = 64
    /// How long the daemon, at its end, waits for those that run.
    static let lastMoment = Duration.seconds(1)

    private(set) var running: [Int: HookProcess] = [:]
    private var waiting: [HookEvent] = []
    private var droppedEvents = 0
    private var lastNumber = 0
    private var end: Instant?

    /// Nothing runs or waits any more.
    var areDone: Bool { waiting.isEmpty && running.isEmpty }

    var nextDeadline: Instant? {
        let deadlines = running.values.filter(hasDeadline).map { $0.deadline }
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

    /// Returns the number under which `process` is known from now on.
    mutating func began(_ process: HookProcess) -> Int {
        lastNumber += 1
        if let end { process.deadline = min(process.deadline, end) }
        running[lastNumber] = process
        return lastNumber
    }

    mutating func ended(_ number: Int) { running[number] = nil }

    /// Nobody ran for a while: those that seem to have run too long have all of their time again.
    func grantTimeAgain(at now: Instant) {
        for process in running.values where !process.isKilled && process.deadline + PoolClock.longSleep <= now {
            process.deadline = min(now + process.timeout, end ?? Instant(nanoseconds: .max))
        }
    }

    func number(of pid: Int32) -> Int? { running.first { $0.value.pid == pid }?.key }

    /// Those that have run too long. Once all is to end, those that wait are dropped.
    mutating func overdue(at now: Instant) -> [Int] {
        if let end, end <= now {
            droppedEvents += waiting.count
            waiting.removeAll()
        }
        return running.filter { hasDeadline($0.value) && $0.value.deadline <= now }.map { $0.key }
    }

    /// The daemon ends: no hook may run beyond `instant`. The first call counts.
    mutating func end(by instant: Instant) {
        if end != nil { return }
        end = instant
        for process in running.values {
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
