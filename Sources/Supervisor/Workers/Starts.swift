// Starts of workers, as the core asks for them. The processes are set up beside the daemon, a few at a time, and the
// core gets its answer when the outcome is known. None is waited for without a limit. A program that a process has open
// for writing is being copied: the start is tried again for a moment, like any call that fails temporarily.
internal import CLinux
internal import Glibc
internal import Reloader

/// A start that the core has asked for and has no answer to yet.
struct WorkerStart {
    let id: WorkerID
    let slot: Int
    /// Kept even if the core has let go of it.
    let generation: Generation
    /// Set while the start waits for a process that has the program open for writing; on the monotonic clock.
    fileprivate var wait: (nextTry: Instant, givenUpAt: Instant)?

    init(_ id: WorkerID, slot: Int, _ generation: Generation) {
        self.id = id
        self.slot = slot
        self.generation = generation
    }
}

/// A worker's process that is being set up.
final class StartingWorker {
    let start: WorkerStart
    let process: ProcessStart
    /// nil once it belongs to a `WorkerProcess`.
    fileprivate var spawned: Spawner.Spawned?
    fileprivate let begunAt: Instant
    /// When it is given up, on the monotonic clock.
    fileprivate var deadline: Instant
    /// The signal by which the process is stopped; nil if it runs.
    fileprivate var stoppedBy: Int32?

    fileprivate var pipes: [Int32] { Self.pipes(of: spawned) }

    private static func pipes(of spawned: borrowing Spawner.Spawned?) -> [Int32] {
        switch spawned {
        case .some(let spawned):
            [spawned.readyPipe.number, spawned.notifySocket.number] + number(of: spawned.stdoutPipe)
                + number(of: spawned.stderrPipe)
        case .none: []
        }
    }

    private static func number(of pipe: borrowing FileDescriptor?) -> [Int32] {
        switch pipe {
        case .some(let pipe): [pipe.number]
        case .none: []
        }
    }

    fileprivate init(_ start: WorkerStart, _ spawned: consuming Spawner.Spawned, at now: Instant) {
        self.start = start
        process = spawned.process
        self.spawned = consume spawned
        begunAt = now
        deadline = now + Starts.setUpMax
    }
}

final class Starts {
    /// How long a process may be set up. It takes milliseconds; a file server that is busy, or a machine that is, may
    /// take longer, but a worker that takes as long as this is no use to anybody.
    static let setUpMax = Duration.seconds(10)
    /// How long it may still take when the pool is ending.
    static let lastMoment = Duration.seconds(1)
    /// How many processes are set up at once: enough for all cores to have work, few enough that their stacks and
    /// descriptors do not matter.
    static let inSetUpMax = 8
    /// How many processes that were given up and do not end may be left, with some 12 KiB and a descriptor for each.
    static let stuckMax = 256
    /// Long enough for the end of a copy that a deploy did not wait for. A copy that takes longer is worth reporting.
    static let writersPatience = Duration.seconds(2)
    private static let writersPeriod = Duration.milliseconds(20)

    private let loop: Loop
    private let story: Story
    private let spawner: Spawner
    private var waiting: [WorkerStart] = []
    private var delayed: [WorkerStart] = []
    /// By PID.
    private var inSetUp: [Int32: StartingWorker] = [:]
    /// Given up and killed, and not ended yet.
    private var stuck: [Int32: ProcessStart] = [:]
    /// The pool is ending.
    private var isEnding = false
    /// The errors of failed starts, until the core has reported on them.
    private var errors: [WorkerID: SpawnError] = [:]

    init(_ spawner: consuming Spawner, _ loop: Loop, _ story: Story) {
        self.spawner = spawner
        self.loop = loop
        self.story = story
    }

    // MARK: beginning

    /// Whether another process may be set up now.
    var hasRoom: Bool { inSetUp.count < Self.inSetUpMax }

    /// Keeps a start until there is room.
    func wait(_ start: WorkerStart) { waiting.append(start) }

    /// Removes and returns the start whose turn it is; nil if there is none, or no room.
    func takeNext() -> WorkerStart? {
        guard hasRoom || isEnding, !waiting.isEmpty else { return nil }
        return waiting.removeFirst()
    }

    /// Starts a process.
    ///
    /// - Parameters:
    ///   - policy: has the number of workers and how often each has to ping.
    ///   - listeners: become the worker's descriptors 3, 4, …
    func begin(_ start: WorkerStart, by policy: Policy, listeners: [Int32]) throws(SpawnError) {
        let path = start.generation.program.path
        guard stuck.count < Self.stuckMax else {
            let reason = "\(stuck.count) processes that were given up before they ran their program do not end"
            throw SpawnError(
                step: .clone, error: SystemError(call: "clone", errno: ETIMEDOUT, explanation: reason), program: path)
        }
        let spawned = try spawner.spawn(
            start.id, start.generation, slot: start.slot, workers: policy.workers, watchdog: policy.watchdog,
            listeners: listeners)
        let starting = StartingWorker(start, spawned, at: MonotonicClock.now())
        do throws(SystemError) { try loop.watch(starting.process.channel, .starting(starting)) } catch {
            abandon(starting)
            throw SpawnError(step: .channels, error: error, program: path)
        }
        inSetUp[starting.process.pid] = starting
    }

    /// Kills a process. What it uses is kept until it has ended.
    private func abandon(_ starting: StartingWorker) {
        starting.process.kill()
        starting.spawned = nil
        stuck[starting.process.pid] = starting.process
    }

    /// Whether there is a start of this worker that has no outcome yet.
    func has(_ id: WorkerID) -> Bool {
        inSetUp.values.contains { $0.start.id == id } || (waiting + delayed).contains { $0.id == id }
    }

    // MARK: for the daemon that comes next

    static let key = "starts"

    struct State: Codable {
        struct Process: Codable {
            let pid: Int32
            let exit: RowDescriptors.Place
            let pipes: [RowDescriptors.Place]
        }

        let processes: [Process]
    }

    /// The processes in set-up. If this daemon dies, they are asked to finish, and must not be without a reader of
    /// their pipes before that.
    func row() throws(StateError) -> StateRow {
        var descriptors = RowDescriptors()
        let processes = inSetUp.values.map { starting in
            State.Process(
                pid: starting.process.pid, exit: descriptors.add(starting.process.exit.number),
                pipes: starting.pipes.map { descriptors.add($0) })
        }
        return try StateRow(Self.key, State(processes: processes), descriptors)
    }

    // MARK: outcomes

    enum Outcome {
        /// The loop does not watch it yet.
        case executed(WorkerProcess)
        case failed(SpawnError)
    }

    /// Looks at what has come of a process; nil if there is no outcome.
    ///
    /// - Parameter output: takes what the worker writes.
    func look(at starting: StartingWorker, _ output: Output) throws(SystemError) -> Outcome? {
        guard inSetUp[starting.process.pid] === starting else { return nil }
        guard let outcome = try starting.process.look(loop) else { return nil }
        inSetUp[starting.process.pid] = nil
        let start = starting.start
        switch outcome {
        case .failed(let failure):
            return .failed(SpawnError(failure, program: start.generation.program.path))
        case .executed(let status):
            guard let spawned = starting.spawned.take() else { return nil }
            // If /proc does not tell, it counts as older than all others.
            let worker = WorkerProcess(
                spawned, id: start.id, slot: start.slot, generation: start.generation,
                startTicks: status?.startTicks ?? 0, output)
            worker.stoppedBy = starting.stoppedBy
            return .executed(worker)
        }
    }

    /// Handles a failed start. Returns the answer to the core; nil if it comes later.
    func failed(_ start: WorkerStart, _ error: SpawnError) -> Event? {
        let now = MonotonicClock.now()
        let givenUpAt = start.wait?.givenUpAt ?? now + Self.writersPatience
        guard error.isBusy, now < givenUpAt, !isEnding else {
            errors[start.id] = error
            return .spawnFailed(start.id, error.failure)
        }
        if start.wait == nil { tellDelay(of: start, error) }
        var next = start
        next.wait = (now + Self.writersPeriod, givenUpAt)
        delayed.append(next)
        return nil
    }

    private func tellDelay(of start: WorkerStart, _ error: SpawnError) {
        story.tell(
            .worker(
                .warning, "start_delayed",
                "\(start.generation.program.path) is open for writing (\(error.error.reason)): retrying the start for "
                    + "\(LogFormatter.seconds(Self.writersPatience))s",
                start.slot, start.generation.number, ReportContext()))
    }

    /// No start waits for its outcome.
    var areDone: Bool { waiting.isEmpty && delayed.isEmpty && inSetUp.isEmpty }

    /// Why the start of this worker has failed. Known until the core has reported on it.
    func failure(of id: WorkerID) -> String? { errors[id]?.message }

    func forgetErrors() { errors.removeAll() }

    // MARK: time

    /// When to look at starts again; nil if only news can change anything.
    var nextDeadline: Instant? {
        if isEnding, !waiting.isEmpty || !delayed.isEmpty { return Instant(nanoseconds: 0) }
        let tries = delayed.lazy.compactMap { $0.wait?.nextTry }.min()
        return [tries, inSetUp.values.lazy.map { $0.deadline }.min()].compactMap { $0 }.min()
    }

    /// Removes and returns the starts that are to be tried again now.
    func takeDue() -> [WorkerStart] {
        let now = MonotonicClock.now()
        func isDue(_ start: WorkerStart) -> Bool { isEnding || (start.wait.map { $0.nextTry <= now } ?? true) }
        defer { delayed.removeAll(where: isDue) }
        return delayed.filter(isDue)
    }

    /// Processes that have been set up for too long. One that overran its time by far gets it again: then neither it
    /// nor the daemon ran for a while.
    func overdue() -> [StartingWorker] {
        let now = MonotonicClock.now()
        let due = inSetUp.values.filter { $0.deadline <= now }
        for starting in due where starting.deadline + PoolClock.longSleep <= now {
            starting.deadline = now + (isEnding ? Self.lastMoment : Self.setUpMax)
        }
        return due.filter { $0.deadline <= now }.sorted { $0.start.id < $1.start.id }
    }

    /// Kills a process that is still being set up, and does not wait for its end.
    ///
    /// - Returns: why; nil if it is no longer being set up.
    func giveUp(_ starting: StartingWorker) throws(SystemError) -> SpawnError? {
        guard inSetUp[starting.process.pid] === starting else { return nil }
        let time = MonotonicClock.now() - starting.begunAt
        guard let failure = try starting.process.giveUp(after: time, loop) else { return nil }
        inSetUp[starting.process.pid] = nil
        abandon(starting)
        return SpawnError(failure, program: starting.start.generation.program.path)
    }

    /// Call it when the pool is ending: nothing is started any more, and what is being set up has a moment left.
    func end() {
        if isEnding { return }
        isEnding = true
        let end = MonotonicClock.now() + Self.lastMoment
        for starting in inSetUp.values { starting.deadline = min(starting.deadline, end) }
    }

    /// Call it when the loop itself has failed.
    func killAll() {
        for starting in inSetUp.values { starting.process.kill() }
    }

    // MARK: children

    /// The processes that have not executed a program as far as is known, and since when each of them may have started
    /// others, in the kernel's clock ticks.
    var processes: [Int32: Int] {
        inSetUp.mapValues { $0.process.ticksMin }.merging(stuck.mapValues { _ in .max }) { own, _ in own }
    }

    /// Whether this child of the daemon is one of them.
    func contains(pid: Int32) -> Bool { inSetUp[pid] != nil || stuck[pid] != nil }

    /// nil if no process with this PID is being set up.
    func starting(pid: Int32) -> StartingWorker? { inSetUp[pid] }

    /// Notes that a process was stopped by a signal or, if that is nil, continued.
    func noteStop(of pid: Int32, by signal: Int32?) { inSetUp[pid]?.stoppedBy = signal }

    /// Call it when a child has ended that is not being set up, before it is reaped.
    func childHasEnded(_ pid: Int32) { stuck.removeValue(forKey: pid)?.isGone() }
}
