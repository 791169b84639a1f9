// Ports that workers share without knowing it, and workers that are emptied: what `Sharing/` needs of the loop.
internal import CLinux
internal import Glibc
internal import Reloader

extension Daemon {
    /// How long a replacement may take between the first port that it listens on and the last of those that its old worker
    /// has; a new version may well have fewer.
    private static let portsPatience = Duration.seconds(1)

    // MARK: calls that wait

    /// A call is answered in every path: a worker must never hang in one.
    func answerCall(of worker: WorkerProcess) throws(SystemError) {
        guard let channel = worker.calls, let sharing else { return }
        var call = rl_call()
        let number = channel.number
        do throws(SystemError) {
            try checked("ioctl", "SECCOMP_IOCTL_NOTIF_RECV") { rl_next_call(number, &call) }
        } catch {
            if error.errno == ENOENT { return }  // the caller is gone
            throw error
        }
        let now = MonotonicClock.now()
        let (answer, began) =
            call.binds
            ? sharing.bind(call, by: worker, number, kin: orphans, at: now)
            : sharing.listen(call, by: worker, number, at: now)
        do throws(SystemError) {
            switch answer {
            case .proceed: try checked("ioctl", "SECCOMP_IOCTL_NOTIF_SEND") { rl_continue_call(number, call.id) }
            case .done(let code):
                try checked("ioctl", "SECCOMP_IOCTL_NOTIF_SEND") { rl_answer_call(number, call.id, code) }
            }
        } catch {
            if error.errno != ENOENT { throw error }
        }
        if let began { beganToListen(worker, on: began) }
        if let refused = sharing.takeRefused() {
            startTrouble.tellPortTaken(refused.listenAddress, from: worker, daemon: settings.daemonName)
        }
        try watchQueues()
    }

    /// Processes that were handed to us when their parents ended: any worker's, for all that we know.
    func orphans() -> [Int32] {
        ProcessTree.children(of: getpid()).filter { workers.running(pid: $0) == nil && hooks.process($0) == nil }
    }

    private func beganToListen(_ worker: WorkerProcess, on address: SharedAddress) {
        guard let sharing else { return }
        story.tell(
            .worker(
                .info, "worker_listening", "worker listens on \(address)", worker.slot, worker.generation.number,
                context(of: worker.id)))
        // Its group has a new member, whether it takes part already or not.
        steer()
        guard listeningMeansReady else { return }
        let current = pool.slots[worker.slot].current?.id
        if sharing.hasAllPorts(worker.id, of: current == worker.id ? nil : current) {
            isReadySoon[worker.id] = nil
            handle(.ready(worker.id))
        } else {
            isReadySoon[worker.id] = MonotonicClock.now() + Self.portsPatience
        }
    }

    /// It serves: what it has closed until now, and what it did not take over, is nobody's.
    func settlePorts(of id: WorkerID) {
        startTrouble.isOver(for: id)
        guard let worker = workers[id] else { return }
        isReadySoon[id] = nil
        sharing?.workerIsReady(worker, kin: orphans, at: MonotonicClock.now())
    }

    /// `--ready listen`, and what `auto` means where the program binds its own port.
    var listeningMeansReady: Bool {
        switch settings.ready {
        case .automatic, .listening: true
        case .message, .after: false
        }
    }

    // MARK: listeners of --listen

    func listenerDescriptors(for slot: Int, of generation: Generation) throws(SpawnError) -> [Int32] {
        guard let slotListeners else { return listeners.map { $0.descriptor.number } }
        do throws(ListenError) { return try slotListeners.descriptors(of: slot) } catch {
            throw SpawnError(step: .channels, error: error.systemError, program: generation.program.path)
        }
    }

    /// A slot that is no more has no use for listeners of its own, and nothing is told of it.
    func closeListenersIfGone(_ slot: Int) {
        guard slot >= pool.policy.workers else { return }
        guard !pool.slots.indices.contains(slot) || pool.slots[slot].isEmpty else { return }
        slotListeners?.close(slot)
        slotFailures.forget(slot)
        output.forget(slot: slot)
    }

    /// And runs: what comes to one that is stopped waits for as long as that lasts.
    private func isServing(_ id: WorkerID) -> Bool { pool.isServing(id) && workers[id]?.stoppedBy == nil }

    private func serves(_ slot: Int) -> Bool {
        guard slot < pool.policy.workers, pool.slots.indices.contains(slot) else { return false }
        let slot = pool.slots[slot]
        return [slot.current, slot.replacement].contains { $0.map { isServing($0.id) } ?? false }
    }

    // MARK: steering

    /// Brings the kernel's choice in line with who serves now.
    func steer() {
        let failures =
            (sharing?.steer(isServing: isServing) ?? []) + (slotListeners?.steer(isServing: serves) ?? [])
        for error in failures {
            story.tell(LogRecord(.error, "steering_failed", "cannot steer connections: \(error)"))
        }
    }

    // MARK: emptying

    /// Yields `emptied` at once if there is nothing to see off.
    func beginEmptying(_ id: WorkerID) -> Event? {
        guard let worker = workers[id] else { return .emptied(id) }
        let sockets = socketsToEmpty(of: worker)
        if sockets.isEmpty { return .emptied(id) }
        emptyings[id] = Emptying(
            worker, sockets: sockets, takesConnections: sharing != nil && settings.drain != .signal,
            idle: settings.drainIdle, limit: settings.drainTimeout, at: MonotonicClock.now())
        return nil
    }

    /// A worker's own; of those that the daemon holds, only a queue that nobody else will accept from.
    private func socketsToEmpty(of worker: WorkerProcess) -> [SharedSocket] {
        if let sharing {
            return sharing.sockets(of: worker.id)
        }
        return worker.slot < pool.policy.workers ? [] : slotListeners?.sockets(of: worker.slot) ?? []
    }

    /// Connections can only be looked at, so time drives it; while no worker is emptied, nothing is armed for it.
    func lookAtDrains() throws(SystemError) {
        try drainTimer.acknowledge()
        let now = MonotonicClock.now()
        for (id, instant) in isReadySoon where instant <= now { endPortsPatience(with: id, at: now) }
        for (id, emptying) in emptyings where emptying.nextLook <= now {
            if emptying.isDone(at: now, isReplaced: pool.phase == .running) {
                emptyings[id] = nil
                handle(.emptied(id))
            } else {
                tellIfSlow(emptying, at: now)
            }
        }
    }

    /// It has fewer ports than its old worker had, and serves on those. If it has closed them all, it has not begun to serve.
    private func endPortsPatience(with id: WorkerID, at now: Instant) {
        isReadySoon[id] = nil
        guard let worker = workers[id], let sharing else { return }
        sharing.letGoOfClosed(by: worker, kin: orphans, at: now)
        if !sharing.addresses(of: id).isEmpty { handle(.ready(id)) }
    }

    /// The time for it is over: the worker gets its stop signal.
    func endEmptying(_ id: WorkerID) {
        guard let emptying = emptyings.removeValue(forKey: id) else { return }
        tellEmptying(emptying, .warning, "drain_timed_out", "worker is asked to finish with connections open")
    }

    func armDrainTimer() throws(SystemError) {
        let looks = emptyings.values.lazy.map { $0.nextLook }
        let others = [
            memoryWatch.plan(isWanted: settings.maxMemory != nil && pool.totals.serving > 0), hooks.nextDeadline,
            sharing?.nextDeadline, starts.nextTry, startTrouble.nextDeadline,
        ].compactMap { $0 }
        try drainTimer.arm((looks + Array(isReadySoon.values) + others).min())
    }

    // MARK: sockets of workers

    /// Each is watched until somebody waits in its queue, and again when that was looked at.
    private func watchQueues() throws(SystemError) {
        guard let sharing else { return }
        for socket in sharing.departed { try loop.unwatch(socket.channel) }
        sharing.departed.removeAll()
        for socket in sharing.sockets
        where socket.isListening && !socket.address.isDatagram && socket.channel.token == nil {
            try loop.watch(socket.channel, .queue(socket), [.readable, .once])
        }
    }

    /// Looks whether queues that were not empty have a worker still, and ends those that nobody has taken over.
    func lookAtSharedSockets() throws(SystemError) {
        guard let sharing else { return }
        let now = MonotonicClock.now()
        for socket in sharing.queuesToLookAt(at: now) {
            guard let worker = socket.owner.flatMap({ workers[$0] }) else {
                socket.lookAt = nil
                continue
            }
            if sharing.isLeftBehind(socket, by: worker, kin: orphans, at: now) {
                tellClosed(socket, by: worker)
            } else {
                try loop.rewatch(socket.channel, [.readable, .once])
            }
        }
        for (address, connections) in sharing.discardOverdue(at: now) { tellLost(connections, on: address) }
        try watchQueues()
    }

    private func tellClosed(_ socket: SharedSocket, by worker: WorkerProcess) {
        steer()
        story.tell(
            .worker(
                .warning, "worker_closed",
                "worker has closed its socket on \(socket.address): connections go to other workers",
                worker.slot, worker.generation.number, context(of: worker.id)))
    }

    private func tellLost(_ connections: Int, on address: SharedAddress) {
        story.tell(
            LogRecord(
                .warning, "queue_lost",
                "connections to \(address) are reset, unless net.ipv4.tcp_migrate_req=1 gives them to other workers: theirs has "
                    + "closed its socket, and no other has taken it over",
                [("connections", .number(connections))]))
    }

    private func tellIfSlow(_ emptying: Emptying, at now: Instant) {
        guard emptying.isWorthTelling(at: now) else { return }
        tellEmptying(emptying, .info, "drain_waits", "worker still has connections")
    }

    private func tellEmptying(
        _ emptying: Emptying, _ level: LogRecord.Level, _ event: String, _ message: String
    ) {
        let worker = emptying.worker
        let now = MonotonicClock.now()
        var fields: [(key: String, value: LogRecord.Value)] = [
            ("connections", .number(emptying.connections)), ("queue", .number(emptying.waiting)),
            ("for", .duration(now - emptying.startedAt)),
        ]
        let holders = emptying.holders(atMost: Emptying.holdersShown, at: now)
        if !holders.isEmpty { fields.append(("held_by", .text(holders.map { $0.words }.joined(separator: "; ")))) }
        story.tell(
            .worker(level, event, message, worker.slot, worker.generation.number, context(of: worker.id), fields))
    }

    /// Before its exit is told to the core: what waits in its queues is for its replacement.
    func letGoOfPorts(_ worker: WorkerProcess) {
        emptyings[worker.id] = nil
        isReadySoon[worker.id] = nil
        startTrouble.isOver(for: worker.id)
        sharing?.workerIsGone(worker.id, succession(to: worker), at: MonotonicClock.now())
    }

    private func succession(to worker: WorkerProcess) -> PortSharing.Succession {
        if pool.isEnding { return .none }
        // Of a pool that is drained as a whole the listeners stay, until the reload that begins it again.
        if pool.phase == .drained { return .awaited }
        guard worker.slot < pool.policy.workers else { return .done }
        let slot = pool.slots[worker.slot]
        let others = [slot.current, slot.replacement].compactMap { $0 }.filter { $0.id != worker.id }
        return others.contains { $0.state.isReady } ? .done : .awaited
    }
}
