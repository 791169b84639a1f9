// Which hooks run and which wait: a few run at once, a bounded number waits, and further events are dropped and
// counted. The queue starts and kills nothing itself.
internal import Reloader

/// An event whose hook has not run yet.
struct HookEvent: Codable {
    /// The value of RELOADERD_EVENT.
    let name: String
    /// The event as one line.
    let json: [UInt8]
    /// The command for /bin/sh -c, from the settings at the time of the event.
    let command: String
    let timeout: Duration
}

struct HookQueue {
    /// Hooks that run at once: enough that a hanging hook doesn't hold up the next, too few to matter beside the
    /// workers.
    static let runningMax = 4
    /// Events that wait: enough for a crash storm. Each holds its JSON, at most about 50 KB.
    static let waitingMax = 64
    /// How long the daemon waits at its end for hooks that run.
    static let lastMoment = Duration.seconds(1)

    private(set) var running: [HookProcess] = []
    private var waiting: [HookEvent] = []
    private var droppedEvents = 0
    private var end: Instant?

    // MARK: for the daemon that comes next

    struct State: Codable {
        let running: [HookProcess.State]
        let waiting: [HookEvent]
        let droppedEvents: Int
    }

    func state(_ descriptors: inout RowDescriptors) -> State {
        State(
            running: running.map { $0.state(&descriptors) }, waiting: waiting, droppedEvents: droppedEvents)
    }

    init() {}

    init(_ state: State, of key: String, in rows: StateRows) throws(StateError) {
        for hook in state.running { running.append(try HookProcess(hook, of: key, in: rows)) }
        waiting = state.waiting
        droppedEvents = max(0, state.droppedEvents)
    }

    // MARK: what runs and what waits

    /// The daemon is ending.
    var isEnding: Bool { end != nil }

    /// No hook runs or waits any more.
    var areDone: Bool { waiting.isEmpty && running.isEmpty }

    var nextDeadline: Instant? {
        let deadlines = running.filter(hasDeadline).map { $0.deadline }
        return (deadlines + (waiting.isEmpty ? [] : [end].compactMap { $0 })).min()
    }

    /// Returns whether an event may be added; if not, counts it as dropped.
    mutating func hasRoom() -> Bool {
        if waiting.count < Self.waitingMax { return true }
        droppedEvents += 1
        return false
    }

    mutating func add(_ event: HookEvent) { waiting.append(event) }

    /// Takes the next event whose hook may run now.
    mutating func next() -> HookEvent? {
        running.count < Self.runningMax && !waiting.isEmpty ? waiting.removeFirst() : nil
    }

    mutating func began(_ process: HookProcess) {
        if let end { process.deadline = min(process.deadline, end) }
        running.append(process)
    }

    mutating func ended(_ process: HookProcess) { running.removeAll { $0 === process } }

    /// Gives hooks their whole time again if they overran it by far: then neither they nor the daemon ran for a while.
    func grantTimeAgain(at now: Instant) {
        for process in running where !process.isKilled && process.deadline + PoolClock.longSleep <= now {
            process.deadline = min(now + process.timeout, end ?? Instant(nanoseconds: .max))
        }
    }

    func process(_ pid: Int32) -> HookProcess? { running.first { $0.pid == pid } }

    /// Returns the hooks that have run too long. When the daemon's last moment is over, drops the events that wait.
    mutating func overdue(at now: Instant) -> [HookProcess] {
        if let end, end <= now {
            droppedEvents += waiting.count
            waiting.removeAll()
        }
        return running.filter { hasDeadline($0) && $0.deadline <= now }
    }

    /// To be called when the daemon ends: no hook may run beyond `instant`. Only the first call counts.
    mutating func end(by instant: Instant) {
        if end != nil { return }
        end = instant
        for process in running {
            process.deadline = process.isKilled ? instant : min(process.deadline, instant)
        }
    }

    /// Whether the hook must end by its deadline. A killed hook ends by itself, and the daemon can wait for that until
    /// its own end.
    private func hasDeadline(_ process: HookProcess) -> Bool { !process.isKilled || end != nil }

    /// Returns how many events were dropped since the last call.
    mutating func takeDroppedEvents() -> Int {
        defer { droppedEvents = 0 }
        return droppedEvents
    }
}
