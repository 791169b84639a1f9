/// What the runtime must do next, in this order. It decides nothing: each effect is carried out as it stands, and what
/// comes of it returns as an `Event`.
public enum Effect: Equatable, Sendable {
    /// Start a worker. Answered by `Event.spawned` or `Event.spawnFailed`.
    case spawn(WorkerID, slot: Int, generation: Int)
    /// Steer new connections away from the worker and see its old ones off, once in its life and before anything else is
    /// sent to it; `Event.drained` when none is left. Over when the worker gets a signal, or is gone.
    case drain(WorkerID)
    /// Send the stop signal to the worker, once in its life.
    case terminate(WorkerID)
    /// Send SIGKILL to the worker and its process group, once in its life.
    case kill(WorkerID)
    /// Send the stop signal to what the worker has left, once to each process.
    case terminateLeftovers(WorkerID)
    /// Send SIGKILL to what the worker has left, and to what is found of it from now on.
    case killLeftovers(WorkerID)
    /// Nothing of this generation will be started again: let go of what pins it.
    case release(generation: Int)
    /// All workers are gone: end the daemon with this exit status.
    case finish(status: Int32)
    /// Tell people what happened.
    case report(Report)
}

/// The story of the pool, for the log, for systemd and for whoever waits for a deploy.
///
/// Each `rollBegan` is ended by exactly one of `rollDone`, `rollFailed`, `rollTimedOut`, `rollSuperseded` and
/// `rollAborted`. A roll that failed or timed out is reverted: `rollReverted` follows, unless a reload, a rollback, a stop
/// or a drain-all comes first; the revert then ends unsaid.
///
/// Each `recycleBegan` is ended by exactly one of `recycleDone`, `recycleFailed` and `recycleAbandoned`; so is each restart
/// that was asked for and not refused, but a second one of a slot whose first is not ended: that is the same.
public enum Report: Equatable, Sendable {
    case workerReady(WorkerID, slot: Int, generation: Int, after: Duration)
    /// The worker is asked to finish, or is emptied to be asked then, or finishes by itself; told once. Told of a worker
    /// whose spawn was not yet answered only when it is, and not at all if it was never there.
    case workerDraining(WorkerID, slot: Int, generation: Int, DrainReason)
    /// The worker gets SIGKILL.
    case workerKilled(WorkerID, slot: Int, generation: Int, KillReason)
    /// The worker is gone. `expected`: it had been asked to end; one that was still being emptied had not.
    case workerExited(WorkerID, slot: Int, generation: Int, ExitStatus, lived: Duration, expected: Bool)
    /// What the worker has left gets the stop signal; it has `time` until SIGKILL.
    case leftoversEnding(WorkerID, slot: Int, generation: Int, time: Duration)
    /// What the worker has left gets SIGKILL.
    case leftoversKilled(WorkerID, slot: Int, generation: Int, KillReason)
    /// A worker failed. What comes of it (a roll or a recycle that fails, a `backoffBegan`, a start at once) is told next.
    case workerFailed(WorkerID, slot: Int, generation: Int, FailureReason)
    /// The slot's next start, or the next try to replace its worker, waits. `failures` counts those in a row.
    case backoffBegan(slot: Int, delay: Duration, failures: Int)

    /// All slots are ready for the first time.
    case poolReady(workers: Int, after: Duration)
    case rollBegan(target: Int, base: Int, workers: Int)
    /// `slot` is now served by the target generation (in a revert: by the base again); `replaced` of `workers` are.
    case slotReplaced(slot: Int, generation: Int, replaced: Int, workers: Int)
    /// A newer reload took over; slots move on to `by`.
    case rollSuperseded(target: Int, by: Int)
    /// The roll failed because of `worker` in `slot`; slots already replaced go back to `base`.
    case rollFailed(target: Int, base: Int, slot: Int, WorkerID, FailureReason, toRevert: Int)
    /// After `rollFailed` or `rollTimedOut`, and that long after: every slot serves `base` again.
    case rollReverted(target: Int, base: Int, took: Duration)
    /// The roll was not done in time, `after` it began; slots already replaced go back to `base`.
    case rollTimedOut(target: Int, base: Int, after: Duration, toRevert: Int)
    case rollDone(target: Int, workers: Int, took: Duration)
    /// A stop, a drain-all or a give-up put an end to the roll.
    case rollAborted(target: Int)
    /// All slots of the canary, `replaced` of `workers`, serve `target`; nil: it promotes itself never. Told again when
    /// scaling the pool has taken a slot from the canary, or given it one, and it is complete again.
    case canaryWaits(target: Int, replaced: Int, workers: Int, promotesAfter: Duration?)
    /// By somebody's word, or by itself, when it had waited for `after`.
    case promoted(target: Int, after: Duration)
    /// Rolls take no further slots. Told again when one begins in a pool that is paused.
    case paused
    case resumed

    /// `slot`'s worker is about to be replaced by a new one of its generation.
    case recycleBegan(slot: Int, generation: Int, RecycleReason)
    case recycleDone(slot: Int, generation: Int, RecycleReason, took: Duration)
    /// The old worker, if there is one, goes on. After `asked` that was it; else it is tried again after a backoff.
    case recycleFailed(slot: Int, generation: Int, WorkerID, RecycleReason, FailureReason)
    /// A roll began, the pool drains or stops, or the slot is gone. A restart that was asked for may end so before it began.
    case recycleAbandoned(slot: Int, RecycleReason)

    /// A worker that was ready for so long takes too much memory, as those before it did, `times` of them in a row: it is
    /// replaced after `delay`.
    case memoryLimitTooLow(
        WorkerID, slot: Int, generation: Int, readyFor: Duration, delay: Duration, times: Int)

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
