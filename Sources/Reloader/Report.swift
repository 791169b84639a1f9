/// The story of the pool, for the log, for systemd and for commands that wait for a deploy. It comes in groups, so that
/// a listener that cares about one of them names no case of the others.
public enum Report: Equatable, Sendable {
    case worker(WorkerReport)
    case roll(RollReport)
    case recycle(RecycleReport)
    case pool(PoolReport)
}

/// What one worker does, or what is done to it or to the processes that it has left behind.
public struct WorkerReport: Equatable, Sendable {
    public enum What: Equatable, Sendable {
        case ready(after: Duration)
        /// The worker is asked to finish, or is emptied first to be asked after that, or finishes of its own accord.
        /// Reported once. If the worker's spawn is still unanswered, it is reported only when the answer comes, and not
        /// at all if the worker never ran.
        case draining(DrainReason)
        /// The worker gets SIGKILL.
        case killed(KillReason)
        /// The worker is gone. `expected`: it had been asked to end; a worker that was still being emptied had not.
        case exited(ExitStatus, lived: Duration, expected: Bool)
        /// The worker failed. The consequence (a roll or a recycle that fails, a backoff that begins, an immediate
        /// start) is reported next.
        case failed(FailureReason)
        /// The processes that the worker has left behind get the stop signal and have `time` until SIGKILL.
        case leftoversEnding(time: Duration)
        /// The processes that the worker has left behind get SIGKILL.
        case leftoversKilled(KillReason)
        /// The worker, which was ready for this long, uses too much memory, like those before it, `times` of them in a
        /// row. It is replaced after `delay`.
        case memoryLimitTooLow(readyFor: Duration, delay: Duration, times: Int)
    }

    public let id: WorkerID
    public let slot: Int
    public let generation: Int
    public let what: What
}

/// Each `began` is ended by exactly one of `done`, `failed`, `timedOut`, `superseded` and `aborted`. A roll that failed
/// or timed out is reverted: `reverted` follows, unless a reload, a rollback, a stop or a drain-all comes first; then
/// the end of the revert is not reported.
public enum RollReport: Equatable, Sendable {
    case began(target: Int, base: Int, workers: Int)
    /// The target generation now serves `slot` (in a revert: the base serves it again), as it does `replaced` of
    /// `workers` slots.
    case slotReplaced(slot: Int, generation: Int, replaced: Int, workers: Int)
    /// All slots of the canary, `replaced` of `workers`, serve `target`. `promotesAfter` nil: the canary never promotes
    /// itself. Reported again if scaling the pool has taken a slot from the canary or given it one, and the canary is
    /// complete again.
    case canaryWaits(target: Int, replaced: Int, workers: Int, promotesAfter: Duration?)
    /// The canary was promoted by a command, or promoted itself, when it had waited for `after`.
    case promoted(target: Int, after: Duration)
    case done(target: Int, workers: Int, took: Duration)
    /// A newer reload took over; the slots move on to `by`.
    case superseded(target: Int, by: Int)
    /// The roll failed because of this worker in `slot`. Slots that were already replaced go back to `base`.
    case failed(target: Int, base: Int, slot: Int, WorkerID, FailureReason, toRevert: Int)
    /// The roll was not done in time, `after` its beginning. Slots that were already replaced go back to `base`.
    case timedOut(target: Int, base: Int, after: Duration, toRevert: Int)
    /// Follows `failed` or `timedOut`, `took` later: every slot serves `base` again.
    case reverted(target: Int, base: Int, took: Duration)
    /// A stop, a drain-all or a give-up ended the roll.
    case aborted(target: Int)
}

/// What becomes of replacing `slot`'s worker by a new one of its generation.
///
/// Each `began` is ended by exactly one of `done`, `failed` and `abandoned`. The same holds for each restart that was
/// asked for and not refused. A second request for a slot whose first restart has not ended is the same restart.
public struct RecycleReport: Equatable, Sendable {
    public enum What: Equatable, Sendable {
        case began(generation: Int)
        case done(generation: Int, took: Duration)
        /// The old worker, if there is one, goes on. If the reason is `asked`, there is no retry; otherwise it is tried
        /// again after a backoff.
        case failed(generation: Int, WorkerID, FailureReason)
        /// A roll began, the pool drains or stops, or the slot is gone. This may end a restart that was asked for
        /// before it began.
        case abandoned
    }

    public let slot: Int
    public let reason: RecycleReason
    public let what: What
}

public enum PoolReport: Equatable, Sendable {
    /// All slots are ready for the first time.
    case ready(workers: Int, after: Duration)
    /// The slot's next start, or the next attempt to replace its worker, waits. `failures` counts the failures in a
    /// row.
    case backoffBegan(slot: Int, delay: Duration, failures: Int)
    /// Rolls take no further slots. Reported again if a roll begins while the pool is paused.
    case paused
    case resumed
    /// A command changed nothing.
    case refused(Refusal)
    case scaled(from: Int, to: Int)
    case drainingAll
    case stopping(StopMode)
    case gaveUp(failures: Int, within: Duration)
}

/// Why a command changed nothing.
public enum Refusal: Equatable, Sendable {
    /// `promote`, but no canary waits.
    case noCanaryWaits
    /// `rollback`, but this generation never served every slot, or has been released since.
    case notKept(generation: Int)
    /// `rollback`, but no generation is kept except the one that serves.
    case nothingToRollBackTo
    /// `restart` of a slot that does not exist.
    case noSuchSlot(Int)
    /// `restart` of a slot while a roll replaces, or may replace, its worker.
    case rollUnderWay(slot: Int)
    /// `restart` or `rollback` in a drained pool: only a reload starts workers again.
    case drained
}

public enum DrainReason: String, Codable, Sendable {
    /// Its replacement serves.
    case replaced
    /// It was a replacement in flight, and its roll was superseded, failed or aborted; or it was to recycle a slot, and
    /// a roll began.
    case abandoned
    /// Its slot is gone (scaled down).
    case retired
    /// The pool stops, or drains all workers.
    case stopped
    /// It was not ready in time.
    case startTimedOut
    /// It said so itself (`STOPPING=1`).
    case byItself
}

public enum KillReason: Equatable, Sendable {
    case stopTimedOut
    case fastStop
    case watchdog
    /// For leftovers only: the worker itself was killed.
    case withWorker
}

public enum FailureReason: Equatable, Sendable {
    case spawnFailed(SpawnFailure)
    /// It exited before it was ready.
    case exitedBeforeReady(ExitStatus)
    /// It was not ready within the ready timeout.
    case readyTimedOut(Duration)
    /// It was ready and exited before its soak was over.
    case exitedInSoak(ExitStatus)
    /// It was a canary and said that it was ending (`STOPPING=1`).
    case endedAsCanary
    /// It was ready, served its slot, and missed its watchdog. Another worker serves the slot now, and this one is
    /// killed.
    case silent(Duration)
    /// It was ready, served its slot, and exited unasked.
    case crashed(ExitStatus)
}
