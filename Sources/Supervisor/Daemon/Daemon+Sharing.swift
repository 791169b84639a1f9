// Ports that workers share without knowing it, and drains from outside: what `Sharing/` needs of the loop.
internal import CLinux
internal import Glibc
internal import Reloader

extension Daemon {
    /// How long a replacement may take between the first port that it listens on and the last of those that its old worker
    /// has; a new version may well have fewer.
    private static let portsPatience = Duration.seconds(1)

    // MARK: calls that wait

    /// A call is answered in every path: a worker must never hang in one.
    func answerCall(of id: WorkerID) throws(SystemError) {
        guard let worker = workers[id], let channel = worker.calls, let sharing else { return }
        var call = rl_call()
        let number = channel.number
        do throws(SystemError) {
            try checked("ioctl", "SECCOMP_IOCTL_NOTIF_RECV") { rl_next_call(number, &call) }
        } catch {
            if error.errno == ENOENT { return }  // the caller is gone
            throw error
        }
        let (answer, began) =
            call.binds ? sharing.bind(call, by: worker, number) : sharing.listen(call, by: worker)
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
    }

    private func beganToListen(_ worker: WorkerProcess, on address: SharedAddress) {
        guard let sharing else { return }
        write(
            .worker(
                .info, "worker_listening", "worker listens on \(address)", worker.slot, worker.generation.number,
                context(of: worker.id)))
        // Its group has a new member, whether it takes part already or not.
        needsSteering = true
        steer()
        guard listeningMeansReady else { return }
        let predecessor = pool.slots[worker.slot].current?.id
        let expected = predecessor.map { $0 == worker.id ? [] : sharing.addresses(of: $0) } ?? []
        if expected.isSubset(of: sharing.addresses(of: worker.id)) {
            isReadySoon[worker.id] = nil
            handle(.ready(worker.id))
        } else {
            isReadySoon[worker.id] = MonotonicClock.now() + Self.portsPatience
        }
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
        control.forget(slot)
    }

    private func serves(_ slot: Int) -> Bool {
        guard slot < pool.policy.workers, pool.slots.indices.contains(slot) else { return false }
        let slot = pool.slots[slot]
        return [slot.current, slot.replacement].contains { $0?.state.isReady ?? false }
    }

    // MARK: steering

    /// Brings the kernel's choice in line with who serves now.
    func steer() {
        guard needsSteering else { return }
        needsSteering = false
        let failures =
            (sharing?.steer(isServing: pool.isServing) ?? []) + (slotListeners?.steer(isServing: serves) ?? [])
        for error in failures {
            write(LogRecord(.error, "steering_failed", "cannot steer connections: \(error)"))
        }
    }

    // MARK: drains

    /// Yields `drained` at once where there is nothing to see off.
    func beginDrain(of id: WorkerID) -> Event? {
        steer()
        guard let worker = workers[id] else { return .drained(id) }
        let sockets = socketsToEmpty(of: worker)
        if sockets.isEmpty { return .drained(id) }
        drains[id] = Drain(
            worker, sockets: sockets, takesConnections: sharing != nil && settings.drain != .signal,
            idle: settings.drainIdle, limit: settings.drainTimeout, at: MonotonicClock.now())
        return nil
    }

    /// A worker's own; of those that the daemon holds, only a queue that nobody else will accept from.
    private func socketsToEmpty(of worker: WorkerProcess) -> [SharedSocket] {
        if let sharing {
            if case .stopping = pool.phase { sharing.refuseConnections() }
            return sharing.sockets(of: worker.id)
        }
        return worker.slot < pool.policy.workers ? [] : slotListeners?.sockets(of: worker.slot) ?? []
    }

    /// A drain's connections can only be looked at, so time drives it; without a drain nothing is armed.
    func lookAtDrains() throws(SystemError) {
        try drainTimer.acknowledge()
        let now = MonotonicClock.now()
        for (id, instant) in isReadySoon where instant <= now {
            isReadySoon[id] = nil
            handle(.ready(id))
        }
        for (id, drain) in drains where drain.nextLook <= now {
            if drain.isDone(at: now, isReplaced: pool.phase == .running) {
                drain.worker.wasEmptied = true
                drains[id] = nil
                handle(.drained(id))
            } else {
                tellIfSlow(drain, at: now)
            }
        }
    }

    /// The drain is over, with or without success: the worker gets its stop signal.
    func endDrain(of id: WorkerID) {
        guard let drain = drains.removeValue(forKey: id) else { return }
        tellDrain(drain, .warning, "drain_timed_out", "worker is asked to finish with connections open")
    }

    func armDrainTimer() throws(SystemError) {
        let looks = drains.values.lazy.map { $0.nextLook }
        let others = [planMemoryLook(), hooks.nextDeadline].compactMap { $0 }
        try drainTimer.arm((looks + Array(isReadySoon.values) + others).min())
    }

    private func tellIfSlow(_ drain: Drain, at now: Instant) {
        guard drain.isWorthTelling(at: now) else { return }
        tellDrain(drain, .info, "drain_waits", "worker still has connections")
    }

    private func tellDrain(_ drain: Drain, _ level: LogRecord.Level, _ event: String, _ message: String) {
        let worker = drain.worker
        let now = MonotonicClock.now()
        var fields: [(key: String, value: LogRecord.Value)] = [
            ("connections", .number(drain.connections)), ("queue", .number(drain.waiting)),
            ("for", .duration(now - drain.startedAt)),
        ]
        let holders = drain.holders(atMost: Drain.holdersShown, at: now)
        if !holders.isEmpty { fields.append(("held_by", .text(holders.map { $0.words }.joined(separator: "; ")))) }
        write(.worker(level, event, message, worker.slot, worker.generation.number, context(of: worker.id), fields))
    }

    /// Before its exit is told to the core: what waits in its queues is for its replacement.
    func letGoOfPorts(_ worker: WorkerProcess) {
        drains[worker.id] = nil
        isReadySoon[worker.id] = nil
        // Of a pool that is drained as a whole the listeners stay.
        sharing?.workerIsGone(worker.id, wasEmptied: worker.wasEmptied && pool.phase != .drained)
    }
}
