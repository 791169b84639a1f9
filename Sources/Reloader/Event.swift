/// All that can happen to a pool. The runtime turns signals, exits, messages and timers into these.
public enum Event: Equatable, Sendable {
    // MARK: commands
    /// Starts generation 1. Once, as the first event.
    case start
    /// Moves the pool to `generation` (one higher than any before), under `policy`.
    case reload(generation: Int, policy: Policy, plan: RollPlan = RollPlan())
    /// Moves the pool back to a generation that once served every slot and is still kept, under the policy at hand. nil: to
    /// the base of the roll or revert under way; without one, to the generation that was settled before.
    case rollback(to: Int?, plan: RollPlan = RollPlan())
    /// The canary that waits is good: the roll goes on.
    case promote
    /// From now on rolls, the next ones too, take no further slots; what is in flight goes on, crashed workers come back,
    /// and a canary that waits does not promote itself. Reverts go on: they make the pool whole.
    case pause
    /// Ends a pause.
    case resume
    /// Replaces the slot's worker by a new one of its generation, start-first, as soon as no other is being recycled. A slot
    /// in backoff starts at once. Refused during a roll.
    case restart(slot: Int)
    case scale(ScaleChange)
    /// Drains every worker and starts none until the next reload; the listeners stay open (SIGWINCH).
    case drainAll
    /// Ends the pool. A second graceful stop is a fast one, unless it comes within `Policy.sameStop` of the first.
    case stop(StopMode)

    // MARK: answers to effects
    /// The program of this worker was executed.
    case spawned(WorkerID)
    /// No process came of `Effect.spawn`; there will be no `exited`.
    case spawnFailed(WorkerID, SpawnFailure)

    /// What `Effect.countPorts` asked for. `listens`: it has at least one port still. Means nothing if the worker has begun
    /// to listen on another one since.
    case portsCounted(WorkerID, listens: Bool)

    // MARK: news from workers
    /// The worker says that it serves.
    case ready(WorkerID)
    /// The runtime has seen that the worker begins to listen on a port. `onAllExpected`: it has all that the worker has
    /// whose place it takes, and none of them is likely to be a try that it closes again.
    case listens(WorkerID, onAllExpected: Bool)
    /// The worker says that it is alive (`WATCHDOG=1`).
    case heartbeat(WorkerID)
    /// The worker says that it ends by itself (`STOPPING=1`): a ready one is replaced at once, while it drains.
    case stopping(WorkerID)
    /// The worker asks for more time to start or to drain (`EXTEND_TIMEOUT_USEC=`), counted from now. Of one that is being
    /// emptied it is ignored: it has not been asked for anything yet.
    case extendTimeout(WorkerID, by: Duration)
    /// The runtime has measured that the worker takes more memory than it may: one that serves is replaced by a new one of
    /// its generation, start-first, when its turn comes. Once is enough.
    case overMemory(WorkerID)
    /// Nothing is left of what `Effect.empty` was to take from the worker: it gets its stop signal. Too late if it had
    /// that, said that it ends, or was killed.
    case emptied(WorkerID)
    /// The process is gone and reaped. `leaves`: others that it has started are not; `leftoversGone` will tell of their end.
    case exited(WorkerID, ExitStatus, leaves: Bool = false)
    /// Nothing that the worker has started is left.
    case leftoversGone(WorkerID)
    /// For a long time nobody ran, neither the pool nor its workers (SIGSTOP, a freezer, a virtual machine that was halted):
    /// nothing was heard of them for that reason alone. Comes before the deadline that is due.
    case overslept

    /// `nextDeadline` has come.
    case deadline
}

public enum ScaleChange: Equatable, Sendable {
    /// Clamped to 1 ... `Policy.workersMax`.
    case by(Int)
    /// Clamped to 1 ... `Policy.workersMax`.
    case to(Int)
}

public enum StopMode: Equatable, Sendable {
    /// The stop signal first, SIGKILL after the stop timeout.
    case graceful
    /// SIGKILL now.
    case fast
}

/// Why no worker came of a spawn, as far as the rules care.
public enum SpawnFailure: Equatable, Sendable {
    /// There is no such program (ENOENT, ENOTDIR).
    case missing
    /// It is there and cannot be run, or the worker cannot be set up as asked (EACCES, EPERM, ENOEXEC, …).
    case refused
    /// The machine is out of something for now (EAGAIN, ENOMEM, EMFILE, ENFILE).
    case exhausted
}

public enum ExitStatus: Equatable, Sendable {
    case exited(code: Int32)
    case signaled(Int32, coreDumped: Bool)
}
