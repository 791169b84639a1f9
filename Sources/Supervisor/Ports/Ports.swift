// The ports on which workers serve: the listeners that workers are handed, the ports that they bind themselves and
// share, and which of them the kernel gives new connections. This room is told which workers serve.
internal import CLinux
internal import Glibc
internal import Reloader

final class Ports {
    /// The workers and slots that take new connections.
    struct Serving {
        var workers: Set<WorkerID> = []
        var slots: Set<Int> = []
    }

    private let loop: Loop
    private let story: Story
    private(set) var supply: PortSupply
    private var hasStoppedListening = false
    /// The addresses of each worker that the log has named.
    private var told: [WorkerID: Set<SharedAddress>] = [:]
    /// As many sockets of a worker are kept at once; one that opens and closes more is not worth a line for each.
    private static let addressesToldMax = 256
    private var survivors = Survivors()

    init(_ supply: PortSupply, _ loop: Loop, _ story: Story) {
        self.supply = supply
        self.loop = loop
        self.story = story
    }

    // MARK: for the daemon that comes next

    static let key = "ports"

    private struct State: Codable {
        let supply: PortSupply.State
        let told: [WorkerID: Set<SharedAddress>]
        let survivors: [RowDescriptors.Place]
    }

    func row() throws(StateError) -> StateRow {
        var descriptors = RowDescriptors()
        let state = State(
            supply: supply.state(&descriptors), told: told, survivors: survivors.state(&descriptors))
        return try StateRow(Self.key, state, descriptors)
    }

    init(_ rows: StateRows, _ workers: Workers, _ loop: Loop, _ story: Story) throws(StateError) {
        let state = try rows.value(State.self, Self.key)
        self.loop = loop
        self.story = story
        supply = try PortSupply(state.supply, of: Self.key, in: rows, workers)
        told = state.told
        survivors = try Survivors(state.survivors, of: Self.key, in: rows)
    }

    static func check(_ rows: StateRows) throws(StateError) { _ = try rows.value(State.self, key) }

    /// This daemon goes on where another has died. Call it after `init` with rows.
    func takeOver() {
        switch supply {
        case .shared(let sharing): sharing.sockets.takeOver()
        case .perSlot(let listeners): listeners.takeOver()
        case .handed, .own: break
        }
    }

    /// Watches what has to be watched, after `init` with rows.
    func watch() throws(SystemError) {
        try survivors.watch(loop)
        try watchQueues()
    }

    // MARK: what there is

    /// nil if workers are handed listeners, or bind as they like.
    private var sharing: PortSharing? { if case .shared(let sharing) = supply { sharing } else { nil } }

    /// The listeners that workers are handed; none once the pool stops.
    var listeners: [Listener] { supply.listeners }

    /// The inodes of the listeners from which all workers accept.
    var acceptedByAll: Set<UInt64> {
        if case .handed(let listeners) = supply { Set(listeners.compactMap { $0.inode }) } else { [] }
    }

    /// Each address that workers share, with the sockets that listen on it, by port.
    var listening: [(address: SharedAddress, sockets: [SharedSocket])] { sharing?.sockets.listening ?? [] }

    /// When to `look`; nil if nothing waits.
    var nextDeadline: Instant? { sharing?.sockets.nextDeadline }

    /// Logs how workers get their ports.
    ///
    /// - Parameter environment: the daemon's own.
    func tellOpened(_ environment: Environment) {
        if InheritedListeners.areMeantForAnother(environment) {
            story.tell(
                LogRecord(
                    .warning, "sockets_ignored",
                    "LISTEN_FDS is set and LISTEN_PID names another process: its sockets are ignored (a wrapper "
                        + "script must start reloaderd by exec)")
            )
        }
        if case .own(let obstacle?) = supply {
            story.tell(
                LogRecord(
                    .warning, "ports_not_shared",
                    "ports cannot be shared (\(obstacle)): a reload of a program that binds its own port will fail, "
                        + "and a worker counts as ready when it has run for 2s; pass listeners with --listen"))
        }
        for (index, listener) in listeners.enumerated() {
            story.tell(
                LogRecord(
                    .info, "listening", "listening on \(listener.label)",
                    [("fd", .number(index + 3)), ("name", .text(listener.name ?? "unknown"))]))
        }
    }

    // MARK: listeners of --listen

    /// The listeners that the slot's next worker gets as its descriptors 3, 4, …
    func descriptors(for slot: Int) throws(ListenError) -> [Int32] {
        switch supply {
        case .handed(let listeners): listeners.map { $0.descriptor.number }
        case .perSlot(let listeners): try listeners.descriptors(of: slot)
        case .shared, .own: []
        }
    }

    /// Closes the slot's own listeners, because the slot was removed.
    func forget(slot: Int) {
        if case .perSlot(let listeners) = supply { listeners.close(slot) }
    }

    // MARK: waiting calls

    /// Answers a call of bind(2) or listen(2), on every path: a worker must never hang in one. Call `watchQueues` once
    /// the outcome has been handled.
    ///
    /// - Parameters:
    ///   - permitted: `--share PORT`.
    ///   - kin: processes that may have been started by the worker's own before those ended; nil: they can't be seen.
    /// Receives the next call; nil: its caller is gone. Each call that was received must be answered, be it by the next
    /// daemon.
    func nextCall(of worker: WorkerProcess) throws(SystemError) -> rl_call? {
        guard let channel = worker.calls, sharing != nil else { return nil }
        var call = rl_call()
        let number = channel.number
        do throws(SystemError) {
            try checked("ioctl", "SECCOMP_IOCTL_NOTIF_RECV") { rl_next_call(number, &call) }
            return call
        } catch {
            if error.errno == ENOENT { return nil }
            throw error
        }
    }

    func answer(
        _ call: rl_call, of worker: WorkerProcess, permitted: Set<UInt16>, kin: () -> [Int32]?
    ) throws(SystemError) -> CallOutcome {
        guard let channel = worker.calls, let sharing else { return .proceed }
        let number = channel.number
        let now = MonotonicClock.now()
        let outcome =
            call.binds
            ? sharing.bind(call, by: worker, number, permitted: permitted, kin: kin, at: now)
            : sharing.listen(call, by: worker, number, at: now)
        do throws(SystemError) {
            if let result = outcome.result {
                try checked("ioctl", "SECCOMP_IOCTL_NOTIF_SEND") { rl_answer_call(number, call.id, result) }
            } else {
                try checked("ioctl", "SECCOMP_IOCTL_NOTIF_SEND") { rl_continue_call(number, call.id) }
            }
        } catch {
            if error.errno != ENOENT { throw error }
        }
        if let address = outcome.began { tellListening(worker, address) }
        if let trouble = outcome.trouble { tell(trouble, of: worker) }
        return outcome
    }

    /// Once for each address of a worker, however often it calls listen(2).
    private func tellListening(_ worker: WorkerProcess, _ address: SharedAddress) {
        guard told[worker.id, default: []].count < Self.addressesToldMax,
            told[worker.id, default: []].insert(address).inserted
        else { return }
        story.tell(worker.record(.info, "worker_listening", "worker listens on \(address)"))
    }

    private func tell(_ trouble: CallTrouble, of worker: WorkerProcess) {
        if trouble.isRefusal && worker.portTrouble == nil { worker.notePortTrouble(trouble.words) }
        guard worker.isNews(trouble.event) else { return }
        story.tell(worker.record(.warning, trouble.event, trouble.words))
    }

    // MARK: calls of survivors

    /// Call it when the worker is forgotten. Processes that may outlive it still report their calls, which would fail
    /// if the daemon did not answer.
    func answerSurvivors(of worker: WorkerProcess) throws(SystemError) {
        if let calls = worker.calls { try survivors.add(calls, loop) }
    }

    /// The kernel carries out what a survivor asks for.
    func answerCall(of survivor: Channel) throws(SystemError) { try survivors.answerCall(survivor, loop) }

    // MARK: workers that start and end

    /// Whether the worker listens on all addresses of its predecessor, and none of its sockets is likely to be closed
    /// again.
    func hasAllPorts(_ worker: WorkerID, of predecessor: WorkerID?) -> Bool {
        sharing?.hasAllPorts(worker, of: predecessor) ?? false
    }

    /// Lets go of the sockets that the worker has closed; returns false if it listens on none any more.
    func stillListens(_ worker: WorkerProcess, kin: () -> [Int32]?) -> Bool {
        guard let sharing else { return false }
        sharing.letGoOfClosed(by: worker, kin: kin, at: MonotonicClock.now())
        do throws(SystemError) { try watchQueues() } catch {
            story.tell(LogRecord(.error, "system_error", "\(error)"))
        }
        return !sharing.sockets.addresses(of: worker.id).isEmpty
    }

    /// Call it when the worker serves: sockets that it has closed or has not taken over are let go.
    func workerIsReady(_ worker: WorkerProcess, kin: () -> [Int32]?) {
        sharing?.workerIsReady(worker, kin: kin, at: MonotonicClock.now())
    }

    /// Call it before the core is told of the worker's exit: connections that wait in its queues go to its replacement.
    func workerIsGone(_ worker: WorkerID, _ succession: PortSharing.Succession) {
        told[worker] = nil
        sharing?.workerIsGone(worker, succession, at: MonotonicClock.now())
    }

    /// The sockets whose queues a worker has to empty before it ends: its own, or those of its slot if no other worker
    /// will accept from them.
    ///
    /// - Parameter slots: how many slots there will be.
    func socketsToEmpty(of worker: WorkerProcess, slots: Int) -> [SharedSocket] {
        switch supply {
        case .shared(let sharing): sharing.sockets.of(worker.id)
        case .perSlot(let listeners): worker.slot < slots ? [] : listeners.sockets(of: worker.slot)
        case .handed, .own: []
        }
    }

    // MARK: steering

    /// Makes the kernel choose among the workers that serve now.
    func steer(to serving: () -> Serving) {
        let failures: [SystemError]
        switch supply {
        case .perSlot(let listeners): failures = listeners.steer(to: serving().slots)
        case .shared(let sharing):
            // No worker listens: to find out who serves would cost the more, the larger the pool is.
            if sharing.sockets.all.isEmpty { return }
            failures = sharing.sockets.steer(to: serving().workers)
        case .handed, .own: return
        }
        for error in failures {
            story.tell(LogRecord(.error, "steering_failed", "cannot steer connections: \(error)"))
        }
    }

    // MARK: idle queues

    /// Call it when a connection waits in the socket's queue.
    func queueHasSomebody(_ socket: SharedSocket) {
        sharing?.sockets.queueHasSomebody(socket, at: MonotonicClock.now())
    }

    func watchQueues() throws(SystemError) { try sharing?.sockets.watchQueues(loop) }

    /// Checks whether queues that were not empty still have a worker, and discards sockets that no worker has taken
    /// over.
    func look(kin: () -> [Int32]?, serving: () -> Serving) throws(SystemError) {
        guard let sockets = sharing?.sockets else { return }
        let now = MonotonicClock.now()
        for socket in sockets.takeQueuesToLookAt(at: now) {
            guard let worker = socket.owner else { continue }
            if socket.isQueueEmpty || !socket.isClosed(kin: kin) {
                try loop.rewatch(socket.channel, [.readable, .once])
                continue
            }
            sockets.letGo(socket, at: now)
            steer(to: serving)
            story.tell(
                worker.record(
                    .warning, "worker_closed",
                    "worker has closed its socket on \(socket.address): connections go to other workers"))
        }
        for (address, connections) in sockets.discardOverdue(at: now) { tellLost(connections, on: address) }
        try sockets.watchQueues(loop)
    }

    private func tellLost(_ connections: Int, on address: SharedAddress) {
        story.tell(
            LogRecord(
                .warning, "queue_lost",
                "connections to \(address) are reset, unless net.ipv4.tcp_migrate_req=1 gives them to other workers: "
                    + "their worker has closed its socket, and no other worker has taken it over",
                [("connections", .number(connections))]))
    }

    // MARK: the end

    /// Call it when the pool stops. Workers still answer the connections that they have accepted and those that wait in
    /// their queues; new ones are not let in, and a socket that the daemon has opened is closed as soon as the workers
    /// close it.
    func stopListening() {
        if hasStoppedListening { return }
        hasStoppedListening = true
        if let error = sharing?.sockets.refuseConnections().first {
            story.tell(
                LogRecord(
                    .warning, "not_refused",
                    "new connections cannot be refused while workers drain: \(error) (those left at the end are reset)")
            )
        }
        removeSocketFiles()
        switch supply {
        case .handed, .perSlot: supply = .handed([])
        case .shared, .own: break
        }
    }

    func removeSocketFiles() {
        for listener in listeners {
            do throws(SystemError) { try listener.removeFile() } catch {
                story.tell(LogRecord(.warning, "not_removed", "cannot remove a socket file: \(error)"))
            }
        }
    }
}
