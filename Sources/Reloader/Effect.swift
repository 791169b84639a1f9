/// What the runtime must do next, in this order. The runtime decides nothing: it carries out each effect as it stands,
/// and the outcome returns as an `Event`.
public enum Effect: Equatable, Sendable {
    /// Start a worker. Answered by `Event.spawned` or `Event.spawnFailed`.
    case spawn(WorkerID, slot: Int, generation: Int)
    /// Check whether the worker, which does not listen on all of the ports that are expected of it, still listens on
    /// any. Answered by `Event.portsCounted`.
    case countPorts(WorkerID)
    /// Steer new connections away from the worker and wait for its old ones to end: at most once in its life, and
    /// before anything else is sent to it. Answered by `Event.emptied` when no connection is left. Over as soon as the
    /// worker gets a signal or is gone.
    case empty(WorkerID)
    /// Send the stop signal to the worker, at most once in its life.
    case terminate(WorkerID)
    /// Send SIGKILL to the worker and its process group, at most once in the worker's life.
    case kill(WorkerID)
    /// Send the stop signal to the processes that the worker has left behind, once to each.
    case terminateLeftovers(WorkerID)
    /// Send SIGKILL to the processes that the worker has left behind, and to any of them that are found from now on.
    case killLeftovers(WorkerID)
    /// Nothing of this generation will be started again: release what pins it.
    case release(generation: Int)
    /// All workers are gone: end the daemon with this exit status.
    case finish(status: Int32)
    /// Tell people what happened.
    case report(Report)
}
