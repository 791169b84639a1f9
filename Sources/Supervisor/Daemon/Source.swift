// The switchboard: what a watched descriptor is for. Every room names its own cases here, and the daemon's dispatch
// answers each of them.

enum Source {
    case signals
    case terminal
    /// The core's next deadline has come.
    case deadline
    /// It is time to look at what only time tells: workers that are emptied, hooks that have run long enough, starts
    /// that wait.
    case looks
    case output(OutputSink)
    case manager
    case managerWatchdog
    /// There is news of a process that is being set up.
    case starting(StartingWorker)
    case exit(WorkerProcess)
    case readyPipe(WorkerProcess)
    case notifySocket(WorkerProcess)
    case stream(WorkerStream)
    /// The worker waits in a call for an answer.
    case call(WorkerProcess)
    /// A process that has outlived its worker waits in a call.
    case survivor(Channel)
    /// A connection waits to be accepted from a socket by which workers share a port, of this inode.
    case queue(UInt64)
    /// The helper has answered.
    case helper
    /// There is news of a helper that is being started.
    case helperStart(HelperProcess)
    /// A file was written that says which CPUs the daemon may use.
    case cpus
    /// Somebody wants to become a client of the control socket.
    case control
    case client(ControlClient)
    case hook(HookProcess)
    /// A process that has outlived a worker which was taken over has ended.
    case leftover(WorkerProcess, ProcessIdentity)
    /// The keeper has ended, or there is room again in the socket to it.
    case keeper
    /// The trial run of a program that is to take the place of this one.
    case preflight(Preflight)
}
