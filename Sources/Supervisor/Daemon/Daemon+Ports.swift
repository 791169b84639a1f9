// Between the core and the ports: who serves, who is emptied, and what is done for a worker that listens, and for one
// that is gone.
internal import CLinux
internal import Glibc
internal import Reloader

extension Daemon {
    // MARK: calls that wait

    func answerCall(of worker: WorkerProcess) throws(SystemError) {
        guard let call = try ports.nextCall(of: worker) else { return }
        // If this daemon dies now, the caller would wait for ever: nobody else could know of the call.
        callUnderWay = CallUnderWay(call, of: worker)
        ledger.note(.call)
        keep()
        try answer(call, of: worker)
    }

    func answer(_ call: rl_call, of worker: WorkerProcess) throws(SystemError) {
        defer {
            callUnderWay = nil
            ledger.note(.call)
        }
        let outcome = try ports.answer(call, of: worker, permitted: settings.permittedPorts, kin: orphans)
        ledger.note(.ports)
        keep()
        if outcome.began != nil { beganToListen(worker) }
        if let refused = outcome.refused {
            startTrouble.tellPortTaken(refused.listenAddress, from: worker, daemon: settings.daemonName)
        }
        try ports.watchQueues()
    }

    /// Processes that were handed to the daemon when their parents ended: each may belong to any worker. nil: they
    /// can't be seen now.
    func orphans() -> [Int32]? {
        let children: [Int32]
        do throws(SystemError) { children = try ProcessTree.allChildren(of: getpid()) } catch { return nil }
        return children.filter {
            workers.running(pid: $0) == nil && hooks.process($0) == nil && !starts.contains(pid: $0)
                && !upgrade.pids.contains($0) && $0 != keeper?.pid
        }
    }

    private func beganToListen(_ worker: WorkerProcess) {
        // The address' group has a new member, which may serve already or not.
        steer()
        let current = pool.slots[worker.slot].current?.id
        let hasAll = ports.hasAllPorts(worker.id, of: current == worker.id ? nil : current)
        handle(.listens(worker.id, onAllExpected: hasAll))
    }

    /// Returns the answer to the core.
    func countPorts(of id: WorkerID) -> Event {
        .portsCounted(id, listens: workers[id].map { ports.stillListens($0, kin: orphans) } ?? false)
    }

    /// The worker serves: sockets that it has closed, and those that it did not take over, are let go.
    func settlePorts(of id: WorkerID) {
        startTrouble.isOver(for: id)
        guard let worker = workers[id] else { return }
        ports.workerIsReady(worker, kin: orphans)
    }

    /// Before its exit is told to the core: what waits in its queues is for its replacement.
    func letGoOfPorts(_ worker: WorkerProcess) {
        emptyings.forget(worker.id)
        startTrouble.isOver(for: worker.id)
        ports.workerIsGone(worker.id, succession(to: worker))
    }

    private func succession(to worker: WorkerProcess) -> PortSharing.Succession {
        if pool.isEnding { return .none }
        // A pool that is drained as a whole keeps its listeners until the next reload.
        if pool.phase == .drained { return .awaited }
        guard worker.slot < pool.policy.workers else { return .done }
        let slot = pool.slots[worker.slot]
        let others = [slot.current, slot.replacement].compactMap { $0 }.filter { $0.id != worker.id }
        return others.contains { $0.state.isReady } ? .done : .awaited
    }

    // MARK: slots

    func listenerDescriptors(for slot: Int, of generation: Generation) throws(SpawnError) -> [Int32] {
        do throws(ListenError) { return try ports.descriptors(for: slot) } catch {
            throw SpawnError(step: .channels, error: error.systemError, program: generation.program.path)
        }
    }

    /// Lets go of what is kept for a slot that is gone.
    func closeListenersIfGone(_ slot: Int) {
        guard slot >= pool.policy.workers else { return }
        guard !pool.slots.indices.contains(slot) || pool.slots[slot].isEmpty else { return }
        ports.forget(slot: slot)
        workers.forgetFailures(in: slot)
        output.forget(slot: slot)
    }

    // MARK: who serves

    /// Brings the kernel's choice in line with who serves now.
    func steer() {
        ports.steer(to: serving)
        ledger.note(.ports)
    }

    /// The workers that are ready and not stopped: a connection to a stopped worker would wait.
    func serving() -> Ports.Serving {
        var serving = Ports.Serving()
        for (number, slot) in pool.slots.enumerated() {
            for worker in [slot.current, slot.replacement].compactMap({ $0 })
            where pool.isServing(worker.id) && workers[worker.id]?.stoppedBy == nil {
                serving.workers.insert(worker.id)
                if number < pool.policy.workers { serving.slots.insert(number) }
            }
        }
        return serving
    }

    // MARK: emptying

    /// Returns the answer to the core if nothing is to be seen off.
    func beginEmptying(_ id: WorkerID) -> Event? {
        guard let worker = workers[id] else { return .emptied(id) }
        return emptyings.begin(
            with: worker, ports.socketsToEmpty(of: worker, slots: pool.policy.workers),
            takesConnections: ports.supply.isShared && settings.drain != .signal, settings)
    }

    func lookAtEmptyings() {
        for event in emptyings.look(isReplaced: pool.phase == .running) { handle(event) }
    }

    func armLookTimer() throws(SystemError) {
        let others = [
            emptyings.nextLook, ports.nextDeadline, hooks.nextDeadline, starts.nextDeadline, startTrouble.nextDeadline,
            upgrade.nextDeadline,
            memoryWatch.plan(isWanted: settings.maxMemory != nil && pool.totals.serving > 0),
        ].compactMap { $0 }
        try lookTimer.arm(others.min())
    }
}
