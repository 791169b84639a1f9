/// What the runtime must do next, in this order. It decides nothing: each effect is carried out as it stands, and what
/// comes of it returns as an `Event`.
public enum Effect: Equatable, Sendable {
    /// Start a worker. Answered by `Event.spawned` or `Event.spawnFailed`.
    case spawn(WorkerID, slot: Int, generation: Int)
    /// Look whether the worker, which does not listen on all ports that are expected of it, listens on any still. Answered by
    /// `Event.portsCounted`.
    case countPorts(WorkerID)
    /// Steer new connections away from the worker and see its old ones off, once in its life and before anything else is
    /// sent to it; `Event.emptied` when none is left. Over when the worker gets a signal, or is gone.
    case empty(WorkerID)
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
