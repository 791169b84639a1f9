// The ports on which workers serve: the listeners that workers are handed, the ports that they bind themselves and
// share, and which of them the kernel gives new connections. This room is told which workers serve. What workers own is
// touched by the helper alone.
internal import CLinux
internal import Glibc
internal import Reloader

final class Ports {
    /// The workers and slots that take new connections.
    struct Serving {
        var workers: Set<WorkerID> = []
        var slots: Set<Int> = []
    }

    /// How long connections may wait in a queue before the helper checks whether the worker still has the socket.
    static let queuePatience = Duration.seconds(1)

    private let loop: Loop
    private let story: Story
    let helper: Helper
    private(set) var supply: PortSupply
    private var hasStoppedListening = false
    /// The addresses of each worker that the log has named.
    private var told: [WorkerID: Set<SharedAddress>] = [:]
    /// As many sockets of a worker are kept at once; one that opens and closes more is not worth a line for each.
    private static let addressesToldMax = 256
    private var survivors = Survivors()
    /// Sockets whose queues were not empty: when to check whether their owners still have them.
    private var queueLooks: [UInt64: Instant] = [:]

    init(_ supply: PortSupply, _ helper: Helper, _ loop: Loop, _ story: Story) {
        self.supply = supply
        self.helper = helper
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

    /// - Parameter hasDied: the daemon before this one has left the rows with its keeper.
    init(
        _ rows: StateRows, _ settings: Settings, hasDied: Bool = false, _ loop: Loop, _ story: Story
    ) throws(StateError) {
        let state = try rows.value(State.self, Self.key)
        self.loop = loop
        self.story = story
        supply = try PortSupply(state.supply, of: Self.key, in: rows, settings)
        let (terms, isDirect) = supply.helperTerms
        helper = try Helper(
            rows, terms, name: settings.daemonName, isDirect: isDirect, hasDied: hasDied, loop, story)
        told = state.told
        survivors = try Survivors(state.survivors, of: Self.key, in: rows)
    }

    static func check(_ rows: StateRows) throws(StateError) { _ = try rows.value(State.self, key) }

    /// This daemon goes on where another has died. Call it after `init` with rows.
    func takeOver() { if case .perSlot(let listeners) = supply { listeners.takeOver() } }

    /// Watches what has to be watched, after `init` with rows.
    func watch() throws(SystemError) {
        try survivors.watch(loop)
        helper.watchQueues()
    }

    // MARK: what there is

    /// The listeners that workers are handed; none once the pool stops.
    var listeners: [Listener] { supply.listeners }

    /// The listeners whose queues may wait for the daemon's next run. With listeners of its own for each slot, the
    /// queues of all slots but the first would be lost.
    var storable: [Listener] {
        if case .handed(let listeners) = supply { listeners.filter { $0.storeName != nil } } else { [] }
    }

    /// The inodes of the listeners from which all workers accept.
    var acceptedByAll: Set<UInt64> {
        if case .handed(let listeners) = supply { Set(listeners.compactMap { $0.inode }) } else { [] }
    }

    /// Each address that workers share, with the sockets that listen on it, by port.
    var listening: [(address: SharedAddress, sockets: [SocketRow])] { helper.book.listening }

    /// The addresses on which workers serve, as people write them; none if workers bind as they like.
    var addresses: [String] { listeners.map { $0.label } + listening.map { $0.address.description } }

    /// When to `look`; nil if nothing waits.
    var nextDeadline: Instant? { queueLooks.values.min() }

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
        if case .perSlot(let listeners) = supply { leaveToHelper(listeners.close(slot)) }
    }

    /// Workers have made something else of these listeners, such as a connection whose last close waits for its data.
    private func leaveToHelper(_ turned: [Channel]) {
        if !turned.isEmpty { helper.ask(.close(.nobody), turned) }
    }

    // MARK: waiting calls

    /// The worker runs: its calls of bind(2) and listen(2) are looked at.
    func adopt(_ worker: WorkerProcess) {
        let owner = Owner(
            id: worker.id, pid: worker.pid, slot: worker.slot, generation: worker.generation.number)
        helper.ask(.adopt(owner), [worker.calls].compactMap { $0 })
    }

    /// Takes one call of bind(2) or listen(2); nil: its caller is gone. Each is to be asked about, and answered on
    /// every path, be it by the next daemon: a worker must never hang in one. No other call of the worker is taken
    /// before that, so that none can fill the line in which the others wait.
    func takeCall(of worker: WorkerProcess) throws(SystemError) -> WaitingCall? {
        guard let channel = worker.calls else { return nil }
        var call = rl_call()
        let number = channel.number
        do throws(SystemError) {
            try checked("ioctl", "SECCOMP_IOCTL_NOTIF_RECV") { rl_next_call(number, &call) }
            return WaitingCall(call)
        } catch {
            try loop.rewatch(channel, [.readable, .once])
            if error.errno == ENOENT { return nil }
            throw error
        }
    }

    /// The answer is for `answer`.
    ///
    /// - Parameters:
    ///   - permitted: `--share PORT`.
    ///   - isRepeated: a daemon that has died may have asked already.
    func ask(
        about call: WaitingCall, of worker: WorkerProcess, permitted: Set<UInt16>, isRepeated: Bool = false
    ) throws(SystemError) {
        guard let channel = worker.calls else { return }
        if isRepeated { try loop.rewatch(channel, []) }
        let terms = CallTerms(
            permitted: permitted.sorted(), copiesMax: Self.copiesMax(beside: channel), isRepeated: isRepeated)
        helper.ask(.call(worker.id, call, terms), calls: channel)
    }

    private static func copiesMax(beside channel: Channel) -> Int {
        guard channel.descriptor.hasRoomBeside(reserving: reserve) else { return 0 }
        return min(PortSharing.copiesMax, FileDescriptor.limit / copiesShare)
    }

    /// Nor are more than an eighth of the daemon's limit of open files held for one worker.
    private static let copiesShare = 8
    /// All descriptors of sockets together leave a quarter of the daemon's limit for clients, for starting workers and
    /// for looks at connections.
    private static let reserve = 4

    /// Answers the call as the helper has found.
    ///
    /// - Parameter worker: nil if the worker is gone, and a process that outlives it has called.
    func answer(
        _ call: WaitingCall, of worker: WorkerProcess?, over channel: Channel, _ outcome: CallOutcome
    ) throws(SystemError) {
        let number = channel.number
        // Also if the answer fails: the next one waits.
        if worker != nil { try loop.rewatch(channel, [.readable, .once]) }
        do throws(SystemError) {
            if let result = outcome.result {
                try checked("ioctl", "SECCOMP_IOCTL_NOTIF_SEND") { rl_answer_call(number, call.id, result) }
            } else {
                try checked("ioctl", "SECCOMP_IOCTL_NOTIF_SEND") { rl_continue_call(number, call.id) }
            }
        } catch {
            if error.errno != ENOENT { throw error }
        }
        guard let worker else { return }
        if let address = outcome.began { tellListening(worker, address) }
        if let trouble = outcome.trouble { tell(trouble, of: worker) }
    }

    /// Once for each address of a worker, however often it calls listen(2).
    private func tellListening(_ worker: WorkerProcess, _ address: SharedAddress) {
        guard told[worker.id, default: []].count < Self.addressesToldMax,
            told[worker.id, default: []].insert(address).inserted
        else { return }
        story.tell(worker.record(.info, "worker_listening", "worker listens on \(address)"))
    }

    func tell(_ trouble: CallTrouble, of worker: WorkerProcess) {
        if trouble.isRefusal && worker.portTrouble == nil { worker.notePortTrouble(trouble.words) }
        guard worker.isNews(trouble.event) else { return }
        story.tell(worker.record(.warning, trouble.event, trouble.words))
    }

    // MARK: calls of survivors

    /// Call it when the worker is forgotten. Processes that may outlive it still report their calls, which would fail
    /// if the daemon did not answer.
    func answerSurvivors(of worker: WorkerProcess) throws(SystemError) {
        helper.ask(.forget(worker.id))
        if let calls = worker.calls { try survivors.add(calls, loop) }
    }

    /// The kernel carries out what a survivor asks for.
    func answerCall(of survivor: Channel) throws(SystemError) { try survivors.answerCall(survivor, loop) }

    // MARK: workers that start and end

    /// Whether the worker listens on all addresses of its predecessor.
    func hasAllPorts(_ worker: WorkerID, of predecessor: WorkerID?) -> Bool {
        let expected = predecessor.map(helper.book.addresses) ?? []
        return expected.isSubset(of: helper.book.addresses(of: worker))
    }

    /// Lets go of the sockets that the worker has closed. Returns false if there is nothing to look at; otherwise the
    /// helper answers, and `stillListens` tells.
    func countPorts(of worker: WorkerProcess) -> Bool {
        guard supply.isShared else { return false }
        helper.ask(.countPorts(worker.id))
        return true
    }

    func stillListens(_ worker: WorkerID) -> Bool { !helper.book.listening(worker).isEmpty }

    /// Call it when the worker serves: sockets that it has closed or has not taken over are let go.
    func workerIsReady(_ worker: WorkerProcess) { if supply.isShared { helper.ask(.settle(worker.id)) } }

    /// Call it before the core is told of the worker's exit: connections that wait in its queues go to its replacement.
    func workerIsGone(_ worker: WorkerID, _ succession: PortSuccession) {
        told[worker] = nil
        if supply.isShared { helper.ask(.gone(worker, succession)) }
    }

    /// Whether the worker has queues that it has to empty before it ends: its own, or those of its slot if no other
    /// worker will accept from them.
    ///
    /// - Parameter slots: how many slots there will be.
    func hasQueues(_ worker: WorkerProcess, slots: Int) -> Bool {
        supply.isShared
            ? helper.book.sockets.values.contains { $0.owner?.id == worker.id }
            : !listenersToEmpty(of: worker, slots: slots).isEmpty
    }

    /// Those of its slot, if no other worker will accept from them.
    func listenersToEmpty(of worker: WorkerProcess, slots: Int) -> [Channel] {
        guard case .perSlot(let listeners) = supply, worker.slot >= slots else { return [] }
        return listeners.sockets(of: worker.slot).map { $0.channel }
    }

    // MARK: steering

    /// Makes the kernel choose among the workers that serve now.
    func steer(to serving: () -> Serving) {
        switch supply {
        case .perSlot(let listeners): tellUnsteered(listeners.steer(to: serving().slots))
        case .shared:
            // No worker listens: to find out who serves would cost the more, the larger the pool is.
            if helper.book.sockets.isEmpty { return }
            helper.ask(.steer(serving().workers.sorted()))
        case .handed, .own: return
        }
    }

    func tellUnsteered(_ failures: [SystemError]) {
        for error in failures {
            story.tell(LogRecord(.error, "steering_failed", "cannot steer connections: \(error)"))
        }
    }

    // MARK: idle queues

    /// Call it when a connection waits in the socket's queue.
    func queueHasSomebody(_ inode: UInt64) { queueLooks[inode] = MonotonicClock.now() + Self.queuePatience }

    /// Lets the helper check whether queues that were not empty still have a worker.
    func look() {
        let now = MonotonicClock.now()
        for (inode, time) in queueLooks where time <= now {
            queueLooks[inode] = nil
            helper.ask(.checkQueue(inode))
        }
    }

    /// The helper has looked.
    ///
    /// - Parameter worker: has closed the socket, which was on this address.
    func tellClosed(_ address: SharedAddress, by worker: WorkerProcess) {
        story.tell(
            worker.record(
                .warning, "worker_closed",
                "worker has closed its socket on \(address): connections go to other workers"))
    }

    /// Connections wait on a socket that nobody has taken over.
    func tellLost(_ queues: [LostQueue]) { for queue in queues { tellLost(queue.connections, on: queue.address) } }

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
        if supply.isShared && !helper.book.sockets.isEmpty {
            helper.ask(.refuse)
            helper.settle()
        }
        removeSocketFiles()
        switch supply {
        case .handed(let listeners): leaveToHelper(listeners.compactMap { $0.turned })
        case .perSlot(let listeners): leaveToHelper(listeners.turned + listeners.first.compactMap { $0.turned })
        case .shared, .own: return
        }
        supply = .handed([])
    }

    func tellNotRefused(_ failures: [SystemError]) {
        guard let error = failures.first else { return }
        story.tell(
            LogRecord(
                .warning, "not_refused",
                "new connections cannot be refused while workers drain: \(error) (those left at the end are reset)"))
    }

    func removeSocketFiles() {
        for listener in listeners {
            do throws(SystemError) { try listener.removeFile() } catch {
                story.tell(LogRecord(.warning, "not_removed", "cannot remove a socket file: \(error)"))
            }
        }
    }
}
