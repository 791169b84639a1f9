/// The story of the pool, for the log, for systemd and for whoever waits for a deploy: in groups, so that a listener that
/// cares about one names no case of the others.
public enum Report: Equatable, Sendable {
    case worker(WorkerReport)
    case roll(RollReport)
    case recycle(RecycleReport)
    case pool(PoolReport)
}

/// What one worker does, or what is done to it or to what it has left.
public struct WorkerReport: Equatable, Sendable {
    public enum What: Equatable, Sendable {
        case ready(after: Duration)
        /// The worker is asked to finish, or is emptied to be asked then, or finishes by itself; told once. Told of a worker
        /// whose spawn was not yet answered only when it is, and not at all if it was never there.
        case draining(DrainReason)
        /// The worker gets SIGKILL.
        case killed(KillReason)
        /// The worker is gone. `expected`: it had been asked to end; one that was still being emptied had not.
        case exited(ExitStatus, lived: Duration, expected: Bool)
        /// The worker failed. What comes of it (a roll or a recycle that fails, a backoff that begins, a start at once) is
        /// told next.
        case failed(FailureReason)
        /// What the worker has left gets the stop signal; it has `time` until SIGKILL.
        case leftoversEnding(time: Duration)
        /// What the worker has left gets SIGKILL.
        case leftoversKilled(KillReason)
        /// The worker, which was ready for so long, takes too much memory, as those before it did, `times` of them in a
        /// row: it is replaced after `delay`.
        case memoryLimitTooLow(readyFor: Duration, delay: Duration, times: Int)
    }

    public let id: WorkerID
    public let slot: Int
    public let generation: Int
    public let what: What
}

/// Each `began` is ended by exactly one of `done`, `failed`, `timedOut`, `superseded` and `aborted`. A roll that failed or
/// timed out is reverted: `reverted` follows, unless a reload, a rollback, a stop or a drain-all comes first; the revert
/// then ends unsaid.
public enum RollReport: Equatable, Sendable {
    case began(target: Int, base: Int, workers: Int)
    /// `slot` is now served by the target generation (in a revert: by the base again); `replaced` of `workers` are.
    case slotReplaced(slot: Int, generation: Int, replaced: Int, workers: Int)
    /// All slots of the canary, `replaced` of `workers`, serve `target`; nil: it promotes itself never. Told again when
    /// scaling the pool has taken a slot from the canary, or given it one, and it is complete again.
    case canaryWaits(target: Int, replaced: Int, workers: Int, promotesAfter: Duration?)
    /// By somebody's word, or by itself, when it had waited for `after`.
    case promoted(target: Int, after: Duration)
    case done(target: Int, workers: Int, took: Duration)
    /// A newer reload took over; slots move on to `by`.
    case superseded(target: Int, by: Int)
    /// The roll failed because of `worker` in `slot`; slots already replaced go back to `base`.
    case failed(target: Int, base: Int, slot: Int, WorkerID, FailureReason, toRevert: Int)
    /// The roll was not done in time, `after` it began; slots already replaced go back to `base`.
    case timedOut(target: Int, base: Int, after: Duration, toRevert: Int)
    /// After `failed` or `timedOut`, and that long after: every slot serves `base` again.
    case reverted(target: Int, base: Int, took: Duration)
    /// A stop, a drain-all or a give-up put an end to the roll.
    case aborted(target: Int)
}

/// What becomes of replacing `slot`'s worker by a new one of its generation.
///
/// Each `began` is ended by exactly one of `done`, `failed` and `abandoned`; so is each restart that was asked for and not
/// refused, but a second one of a slot whose first is not ended: that is the same.
public struct RecycleReport: Equatable, Sendable {
    public enum What: Equatable, Sendable {
        case began(generation: Int)
        case done(generation: Int, took: Duration)
        /// The old worker, if there is one, goes on. After `asked` that was it; else it is tried again after a backoff.
        case failed(generation: Int, WorkerID, FailureReason)
        /// A roll began, the pool drains or stops, or the slot is gone. A restart that was asked for may end so before it
        /// began.
        case abandoned
    }

    public let slot: Int
    public let reason: RecycleReason
    public let what: What
}

public enum PoolReport: Equatable, Sendable {
    /// All slots are ready for the first time.
    case ready(workers: Int, after: Duration)
    /// The slot's next start, or the next try to replace its worker, waits. `failures` counts those in a row.
    case backoffBegan(slot: Int, delay: Duration, failures: Int)
    /// Rolls take no further slots. Told again when one begins in a pool that is paused.
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
    /// `promote`, and no canary waits.
    case noCanaryWaits
    /// `rollback`, and this generation never served every slot, or was let go of since.
    case notKept(generation: Int)
    /// `rollback`, and none is kept but the one that serves.
    case nothingToRollBackTo
    /// `restart` of a slot that is not there.
    case noSuchSlot(Int)
    /// `restart` of a slot while a roll replaces, or may replace, its worker.
    case rollUnderWay(slot: Int)
    /// `restart` or `rollback` in a pool that is drained: only a reload starts workers again.
    case drained
}

public enum DrainReason: Equatable, Sendable {
    /// Its replacement serves.
    case replaced
    /// It was a replacement in flight and its roll was superseded, failed or aborted; or it was to recycle a slot, and a
    /// roll began.
    case abandoned
    /// Its slot is gone (scaled down).
    case retired
    /// The pool stops, or drains all.
    case stopped
    /// It was not ready in time.
    case startTimedOut
    /// It said so itself.
    case byItself
}

public enum KillReason: Equatable, Sendable {
    case stopTimedOut
    case fastStop
    case watchdog
    /// Of what a worker has left: the worker itself was killed.
    case withWorker
}

public enum FailureReason: Equatable, Sendable {
    case spawnFailed(SpawnFailure)
    /// It exited before it was ready.
    case exitedBeforeReady(ExitStatus)
    /// It was silent for the ready timeout.
    case readyTimedOut(Duration)
    /// It was ready and exited before its soak was over.
    case exitedInSoak(ExitStatus)
    /// It was a canary and said that it ends (`STOPPING=1`).
    case endedAsCanary
    /// It was ready, served its slot, and missed its watchdog. Another serves it now, and it is killed.
    case silent(Duration)
    /// It was ready, served its slot, and exited unasked.
    case crashed(ExitStatus)
}
