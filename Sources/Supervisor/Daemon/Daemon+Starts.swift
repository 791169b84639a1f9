// Starts of workers, as the core asks for them. A program that somebody has open for writing is being copied: its start is
// tried again for a moment, as other calls are that fail for now, and the core hears of it when it is decided.
internal import Glibc
internal import Reloader

/// A start that waits for whoever writes to the program.
struct DelayedStart {
    let id: WorkerID
    let slot: Int
    /// Kept, though the core may have let go of it.
    let generation: Generation
    /// On the monotonic clock.
    var nextTry: Instant
    let givenUpAt: Instant
}

extension Daemon {
    /// The end of a copy that a deploy did not wait for; a longer one deserves to be told.
    static let writersPatience = Duration.seconds(2)
    private static let writersPeriod = Duration.milliseconds(20)

    /// The answer to the core; nil: it comes later.
    func start(_ id: WorkerID, slot: Int, _ generation: Generation) -> Event? {
        do throws(SpawnError) {
            try startWorker(id, slot: slot, generation)
            return .spawned(id)
        } catch {
            guard error.isBusy else { return failed(id, error) }
            let now = MonotonicClock.now()
            let start = DelayedStart(
                id: id, slot: slot, generation: generation, nextTry: now + Self.writersPeriod,
                givenUpAt: now + Self.writersPatience)
            delayedStarts.append(start)
            story.tell(
                .worker(
                    .warning, "start_delayed",
                    "\(generation.program.path) is open for writing (\(error.error.reason)): the start is tried again for "
                        + "\(LogFormatter.seconds(Self.writersPatience))s",
                    slot, generation.number, ReportContext()))
            return nil
        }
    }

    /// When to try again; nil: nothing waits.
    var nextDelayedStart: Instant? { delayedStarts.lazy.map { $0.nextTry }.min() }

    func tryDelayedStarts() {
        let now = MonotonicClock.now()
        let due = delayedStarts.filter { $0.nextTry <= now }
        delayedStarts.removeAll { $0.nextTry <= now }
        for start in due {
            if let answer = tryAgain(start, at: now) { handle(answer) }
        }
    }

    private func tryAgain(_ start: DelayedStart, at now: Instant) -> Event? {
        do throws(SpawnError) {
            try startWorker(start.id, slot: start.slot, start.generation)
            return .spawned(start.id)
        } catch {
            let isStopping = if case .stopping = pool.phase { true } else { false }
            guard error.isBusy, now < start.givenUpAt, !isStopping else { return failed(start.id, error) }
            var next = start
            next.nextTry = now + Self.writersPeriod
            delayedStarts.append(next)
            return nil
        }
    }

    private func failed(_ id: WorkerID, _ error: SpawnError) -> Event {
        spawnErrors[id] = error
        return .spawnFailed(id, error.failure)
    }

    private func startWorker(_ id: WorkerID, slot: Int, _ generation: Generation) throws(SpawnError) {
        let spawned = try spawner.spawn(
            generation, slot: slot, workers: pool.policy.workers, watchdog: pool.policy.watchdog,
            listeners: try listenerDescriptors(for: slot, of: generation))
        let worker = WorkerProcess(spawned, id: id, slot: slot, generation: generation, output)
        try register(worker)
        expectReadiness(of: worker)
        story.tell(.worker(.info, "worker_started", "worker starts", slot, generation.number, context(of: id)))
    }
}
