// Starts of workers, as the core asks for them. A program that a process has open for writing is being copied: the
// start is tried again for a moment, like any call that fails temporarily, and the core gets its answer when the
// outcome is known.
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

final class Starts {
    /// Long enough for the end of a copy that a deploy did not wait for. A copy that takes longer is worth reporting.
    static let writersPatience = Duration.seconds(2)
    private static let writersPeriod = Duration.milliseconds(20)

    private let story: Story
    private let spawner: Spawner
    private var delayed: [WorkerStart] = []
    /// The errors of failed starts, until the core has reported on them.
    private var errors: [WorkerID: SpawnError] = [:]

    init(_ spawner: consuming Spawner, _ story: Story) {
        self.spawner = spawner
        self.story = story
    }

    /// Starts a process. The loop does not watch it yet.
    ///
    /// - Parameters:
    ///   - policy: has the number of workers and how often each has to ping.
    ///   - listeners: become the worker's descriptors 3, 4, …
    ///   - output: takes what the worker writes.
    func spawn(
        _ start: WorkerStart, by policy: Policy, listeners: [Int32], _ output: Output
    ) throws(SpawnError) -> WorkerProcess {
        let spawned = try spawner.spawn(
            start.generation, slot: start.slot, workers: policy.workers, watchdog: policy.watchdog, listeners: listeners
        )
        return WorkerProcess(spawned, id: start.id, slot: start.slot, generation: start.generation, output)
    }

    /// Handles a failed start. Returns the answer to the core; nil if it comes later.
    ///
    /// - Parameter isStopping: if true, the start is not tried again.
    func failed(_ start: WorkerStart, _ error: SpawnError, isStopping: Bool) -> Event? {
        let now = MonotonicClock.now()
        let givenUpAt = start.wait?.givenUpAt ?? now + Self.writersPatience
        guard error.isBusy, now < givenUpAt, !isStopping else {
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
    var areDone: Bool { delayed.isEmpty }

    /// When to try again; nil if no start waits.
    var nextTry: Instant? { delayed.lazy.compactMap { $0.wait?.nextTry }.min() }

    /// Removes and returns the starts that are to be tried again now.
    func takeDue() -> [WorkerStart] {
        let now = MonotonicClock.now()
        func isDue(_ start: WorkerStart) -> Bool { start.wait.map { $0.nextTry <= now } ?? true }
        defer { delayed.removeAll(where: isDue) }
        return delayed.filter(isDue)
    }

    /// Why the start of this worker has failed. Known until the core has reported on it.
    func failure(of id: WorkerID) -> String? { errors[id]?.message }

    func forgetErrors() { errors.removeAll() }
}
