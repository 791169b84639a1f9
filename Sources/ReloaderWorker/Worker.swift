// The kit: what a worker written in Swift takes over from its supervisor, says to it, and hears from it.
//
//     let worker = try Worker()                        // first thing in main, before any thread
//     let listener = try worker.listener(at: 0)        // or listener(named: "http")
//     … make the event loop accept on listener.descriptor …
//     try worker.ready()                               // traffic may come
//     … poll worker.drainDescriptor, or `try await worker.drainRequested()`; then finish what was begun, and return
//
// Works with any supervisor that speaks these conventions, such as reloaderd: LISTEN_FDS (sd_listen_fds(3)),
// NOTIFY_SOCKET and WATCHDOG_USEC (sd_notify(3), sd_watchdog_enabled(3)), and a ready pipe in READY_FD. A worker that
// is run by hand has no listeners and no supervisor to report to: `ready()` and its like then do nothing.
//
// Imports only Glibc, and nothing of the supervisor.
import Glibc

/// This process as one worker of a pool. Create one instance, once, before the process has threads: taking over removes
/// the variables from the environment, so that children don't take them for their own.
///
/// All methods may be called from any thread.
public final class Worker: Sendable {
    /// The listeners that were handed over, in the supervisor's order: descriptors 3, 4, … Each of them is set
    /// close-on-exec.
    ///
    /// The other workers share them, including the file status flags: if one worker sets O_NONBLOCK it is set for all,
    /// and a connection that `poll` announced may be gone when `accept` is called (EAGAIN). A worker that drains closes
    /// its descriptor; `shutdown(2)` would end the listener for all workers.
    public let listeners: [InheritedListener]
    /// Set if listeners came but LISTEN_PID names this other process, most often because a wrapper script didn't start
    /// the worker with exec. The listeners are then left alone, as sd_listen_fds(3) asks, and `listeners` is empty.
    public let listenersMeantFor: Int32?
    /// The stable seat in the pool, 0 ... workers - 1; nil if no supervisor gave it.
    public let slot: Int?
    /// Which version of the program this is, 1 and up; nil if no supervisor gave it.
    public let generation: Int?
    /// How many workers the pool has; nil if no supervisor gave it.
    public let workers: Int?
    /// How often to call `ping()`: half of the time after which the supervisor replaces a silent worker
    /// (WATCHDOG_USEC), as sd_watchdog_enabled(3) recommends. nil: the supervisor does not watch.
    public let watchdogInterval: Duration?
    /// Becomes readable when the worker is asked to drain, and stays readable: for poll, select or epoll. Don't read
    /// from it and don't close it.
    public let drainDescriptor: Int32

    private let supervisor: SupervisorChannel
    private let waiters: DrainWaiters

    /// Takes over what the supervisor handed to this process, and catches `drainSignal`.
    ///
    /// - Parameter drainSignal: the signal that the supervisor sends to ask for a drain (`--stop-signal`).
    /// - Throws: `WorkerError` if a variable's value is not what its convention says, if a descriptor that was
    ///   announced is not open, or if the signal can't be caught.
    public init(drainSignal: Int32 = SIGTERM) throws(WorkerError) {
        let inheritance = try Inheritance(Environment.variables(), processID: getpid())
        Environment.unset(Inheritance.consumedVariables)
        for listener in inheritance.listeners { try setCloseOnExec(listener.descriptor, announcedBy: "LISTEN_FDS") }
        if let descriptor = inheritance.readyDescriptor { try setCloseOnExec(descriptor, announcedBy: "READY_FD") }
        listeners = inheritance.listeners
        listenersMeantFor = inheritance.listenersMeantFor
        slot = inheritance.slot
        generation = inheritance.generation
        workers = inheritance.workers
        watchdogInterval = inheritance.watchdogInterval
        supervisor = try SupervisorChannel(
            readyDescriptor: inheritance.readyDescriptor, notifySocket: inheritance.notifySocket)
        drainDescriptor = try DrainSignal.catchSignal(drainSignal)
        waiters = DrainWaiters(drainDescriptor: drainDescriptor)
    }

    /// - Throws: `WorkerError` that says how many there are, or that they were meant for another process.
    public func listener(at index: Int) throws(WorkerError) -> InheritedListener {
        guard listeners.indices.contains(index) else { throw missing("number \(index)") }
        return listeners[index]
    }

    /// The first listener with this name (`--listen name=…`, LISTEN_FDNAMES).
    /// - Throws: `WorkerError` that says which names there are, or that they were meant for another process.
    public func listener(named name: String) throws(WorkerError) -> InheritedListener {
        guard let listener = listeners.first(where: { $0.name == name }) else { throw missing("\"\(name)\"") }
        return listener
    }

    /// Says that this worker accepts connections. Call it once, when that is true.
    /// - Throws: `WorkerError.system` if the message can't be delivered.
    public func ready() throws(WorkerError) { try supervisor.send("READY=1") }

    /// Sends one line that tells people what the worker is doing. Control characters become spaces, and everything
    /// beyond 1,024 bytes of UTF-8 is cut off.
    /// - Throws: `WorkerError.system` if the message can't be delivered.
    public func status(_ text: String) throws(WorkerError) {
        try supervisor.send("STATUS=" + StatusLine.make(from: text))
    }

    /// Says that the worker has begun to finish.
    /// - Throws: `WorkerError.system` if the message can't be delivered.
    public func stopping() throws(WorkerError) { try supervisor.send("STOPPING=1") }

    /// Asks for more time to start or to stop, counted from now, in whole microseconds rounded up. Call it again before
    /// that time is over (sd_notify(3), EXTEND_TIMEOUT_USEC).
    /// - Throws: `WorkerError.system` if the message can't be delivered.
    public func extendTimeout(_ duration: Duration) throws(WorkerError) {
        try supervisor.send("EXTEND_TIMEOUT_USEC=\(microsecondsRoundedUp(duration))")
    }

    /// Says that the worker is alive. Call it every `watchdogInterval`, from the place that a hang would stop: the
    /// event loop.
    /// - Throws: `WorkerError.system` if the message can't be delivered.
    public func ping() throws(WorkerError) { try supervisor.send("WATCHDOG=1") }

    /// Whether a drain has been asked for.
    public var isDrainRequested: Bool { DrainSignal.isReadable(drainDescriptor, timeoutMilliseconds: 0) }

    /// Returns when a drain is asked for: at once if that has happened already, or early if the task is cancelled (see
    /// `Task.isCancelled`). Any number of tasks may wait.
    ///
    /// No thread of Swift's cooperative pool waits: the first call starts a separate thread, which sleeps in poll(2) on
    /// `drainDescriptor`, resumes all waiting tasks, and ends.
    /// - Throws: `WorkerError.system` if that thread can't be started.
    public func drainRequested() async throws(WorkerError) {
        if isDrainRequested { return }
        try await waiters.wait()
    }

    private func missing(_ wanted: String) -> WorkerError {
        if let pid = listenersMeantFor { return .listenersOfAnotherProcess(expected: pid, actual: getpid()) }
        return .noListener(wanted: wanted, available: listeners.map(\.name))
    }
}

/// A listening (or datagram) socket that the supervisor holds and this process inherited. It stays open until you close
/// it.
public struct InheritedListener: Equatable, Sendable {
    public let descriptor: Int32
    /// From LISTEN_FDNAMES; "unknown" if it gives no name.
    public let name: String
}

/// A descriptor that a variable announces must be open, and children must not inherit it.
private func setCloseOnExec(_ descriptor: Int32, announcedBy variable: String) throws(WorkerError) {
    let flags = fcntl(descriptor, F_GETFD)
    guard flags >= 0, fcntl(descriptor, F_SETFD, flags | FD_CLOEXEC) == 0 else {
        throw .descriptorNotOpen(descriptor, variable: variable)
    }
}

private func microsecondsRoundedUp(_ duration: Duration) -> Int64 {
    let (seconds, attoseconds) = duration.components
    let attosecondsPerMicrosecond: Int64 = 1_000_000_000_000
    let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
    if overflow { return seconds < 0 ? 0 : .max }
    let rest = (max(0, attoseconds) + attosecondsPerMicrosecond - 1) / attosecondsPerMicrosecond
    let (sum, sumOverflow) = whole.addingReportingOverflow(rest)
    return sumOverflow ? .max : max(0, sum)
}
