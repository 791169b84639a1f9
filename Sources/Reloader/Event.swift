/// Everything that can happen to a pool. The runtime turns signals, exits, messages and timers into these.
public enum Event: Equatable, Sendable {
    // MARK: commands
    /// Starts generation 1. Sent once, as the first event.
    case start
    /// Moves the pool to `generation` (one higher than any before), under `policy`.
    case reload(generation: Int, policy: Policy, plan: RollPlan = RollPlan())
    /// Moves the pool back to a generation that once served every slot and is still kept, under the current policy.
    /// nil: to the base of the roll or revert under way; if there is none, to the generation that was settled before
    /// this one.
    case rollback(to: Int?, plan: RollPlan = RollPlan())
    /// The waiting canary is good: the roll goes on.
    case promote
    /// From now on rolls, later ones included, take no further slots. Replacements in flight go on, crashed workers
    /// come back, and a waiting canary does not promote itself. Reverts go on: they make the pool whole.
    case pause
    /// Ends a pause.
    case resume
    /// Replaces the slot's worker by a new one of its generation, start-first, as soon as no other worker is being
    /// recycled. A slot in backoff starts at once. Refused during a roll.
    case restart(slot: Int)
    case scale(ScaleChange)
    /// Drains every worker and starts none until the next reload; the listeners stay open (SIGWINCH).
    case drainAll
    /// Ends the pool. A second graceful stop is a fast one, unless it comes within `Policy.sameStop` of the first.
    case stop(StopMode)

    // MARK: answers to effects
    /// This worker's program was executed.
    case spawned(WorkerID)
    /// `Effect.spawn` produced no process, so no `exited` will follow.
    case spawnFailed(WorkerID, SpawnFailure)

    /// The answer to `Effect.countPorts`. `listens`: the worker still has at least one port. Ignored if the worker has
    /// begun to listen on another port since the question.
    case portsCounted(WorkerID, listens: Bool)

    // MARK: news from workers
    /// The worker says that it serves.
    case ready(WorkerID)
    /// The runtime has seen that the worker has begun to listen on a port. `onAllExpected`: the worker has all the
    /// ports of the worker whose place it takes, and probably did not open any of them only to try it and close it
    /// again.
    case listens(WorkerID, onAllExpected: Bool)
    /// The worker says that it is alive (`WATCHDOG=1`).
    case heartbeat(WorkerID)
    /// The worker says that it is ending of its own accord (`STOPPING=1`). A ready worker is replaced at once, while it
    /// drains.
    case stopping(WorkerID)
    /// The worker asks for more time to start or to drain (`EXTEND_TIMEOUT_USEC=`), counted from now. Ignored for a
    /// worker that is being emptied: it has not been asked to do anything yet.
    case extendTimeout(WorkerID, by: Duration)
    /// The runtime has measured that the worker uses more memory than it may. A worker that serves is replaced by a new
    /// one of its generation, start-first, when its turn comes. Saying it once is enough.
    case overMemory(WorkerID)
    /// Nothing is left of what `Effect.empty` was to take from the worker, which now gets its stop signal. Too late if
    /// the worker has had that signal, has said that it is ending, or was killed.
    case emptied(WorkerID)
    /// The process is gone and reaped. `leaves`: other processes that it has started are still there; `leftoversGone`
    /// will report their end.
    case exited(WorkerID, ExitStatus, leaves: Bool = false)
    /// No process that the worker has started is left.
    case leftoversGone(WorkerID)
    /// For a long time neither the pool nor its workers ran (SIGSTOP, a freezer, a halted virtual machine), so that
    /// nothing could be heard from the workers. Comes before the deadline that is due.
    case overslept
    /// This daemon has taken the pool over from one that has died, and has told what happened meanwhile
    /// (Pool+Takeover). Grants time like `overslept`, and has as effects all that was asked for and has no answer or
    /// end yet: starts without an answer (there is no such process, or it would have been told), questions, emptyings,
    /// signals. The runtime leaves out those that it knows to have been carried out.
    case takenOver

    /// `nextDeadline` has been reached.
    case deadline
}

public enum ScaleChange: Equatable, Sendable {
    /// Clamped to 1 ... `Policy.workersMax`.
    case by(Int)
    /// Clamped to 1 ... `Policy.workersMax`.
    case to(Int)
}

public enum StopMode: String, Codable, Sendable {
    /// Stop signal first, SIGKILL after the stop timeout.
    case graceful
    /// SIGKILL now.
    case fast
}

/// Why a spawn produced no worker, in the detail that the rules need.
public enum SpawnFailure: Equatable, Sendable {
    /// There is no such program (ENOENT, ENOTDIR).
    case missing
    /// The program exists but cannot be run, or the worker cannot be set up as asked (EACCES, EPERM, ENOEXEC, …).
    case refused
    /// The machine has run out of some resource for now (EAGAIN, ENOMEM, EMFILE, ENFILE).
    case exhausted
}

public enum ExitStatus: Codable, Equatable, Sendable {
    case exited(code: Int32)
    case signaled(Int32, coreDumped: Bool)
    /// The kernel does not say: the worker was no child of this daemon, which had taken it over.
    case unknown
}
