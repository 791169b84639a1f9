/// All that can happen to a pool. The runtime turns signals, exits, messages and timers into these.
public enum Event: Equatable, Sendable {
    // MARK: commands
    /// Starts generation 1. Once, as the first event.
    case start
    /// Moves the pool to `generation` (one higher than any before), under `policy`.
    case reload(generation: Int, policy: Policy)
    case scale(ScaleChange)
    /// Drains every worker and starts none until the next reload; the listeners stay open (SIGWINCH).
    case drainAll
    /// Ends the pool. A second graceful stop is a fast one.
    case stop(StopMode)

    // MARK: answers to effects
    /// The program of this worker was executed.
    case spawned(WorkerID)
    /// No process came of `Effect.spawn`; there will be no `exited`.
    case spawnFailed(WorkerID, SpawnFailure)

    // MARK: news from workers
    /// The worker says that it serves.
    case ready(WorkerID)
    /// The worker says that it is alive (`WATCHDOG=1`).
    case heartbeat(WorkerID)
    /// The worker says that it ends by itself (`STOPPING=1`): a ready one is replaced at once, while it drains.
    case stopping(WorkerID)
    /// The worker asks for more time to start or to drain (`EXTEND_TIMEOUT_USEC=`), counted from now. Of one that is being
    /// emptied it is ignored: it has not been asked for anything yet.
    case extendTimeout(WorkerID, by: Duration)
    /// Nothing is left of what `Effect.drain` was to take from the worker: it gets its stop signal. Too late if it had
    /// that, said that it ends, or was killed.
    case drained(WorkerID)
    /// The process is gone and reaped.
    case exited(WorkerID, ExitStatus)

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
