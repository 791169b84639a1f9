// Between the core and the ports: who serves, who is emptied, and what is done for a worker that listens, and for one
// that is gone.
internal import CLinux
internal import Glibc
internal import Reloader

extension Daemon {
    // MARK: calls that wait

    func takeCall(of worker: WorkerProcess) throws(SystemError) {
        guard let call = try ports.takeCall(of: worker) else { return }
        // If this daemon dies now, the caller would wait for ever: nobody else could know of the call.
        callsUnderWay[worker.id] = call
        ledger.note(.calls)
        keep()
        try ports.ask(about: call, of: worker, permitted: settings.permittedPorts)
    }

    // MARK: what the helper answers

    func hearHelper() {
        while let news = helper.nextNews() {
            do throws(SystemError) { try hear(news) } catch {
                story.tell(LogRecord(.error, "system_error", "\(error)"))
            }
        }
    }

    private func hear(_ news: Helper.News) throws(SystemError) {
        switch (news.request, news.answer) {
        case (.call(let id, let call, _), .called(let outcome)):
            guard let calls = news.calls else { return }
            // The worker may go on only when it is known what its call has brought about.
            keep()
            defer {
                if callsUnderWay.removeValue(forKey: id) != nil { ledger.note(.calls) }
            }
            try ports.answer(call, of: workers[id], over: calls, outcome)
            if let worker = workers[id] { hear(outcome, of: worker) }
        case (.bar(let id), _): if let worker = workers[id] { ports.tell(.untouchable, of: worker) }
        case (.countPorts(let id), _): handle(.portsCounted(id, listens: ports.stillListens(id)))
        case (.steer, .failed(let errors)): ports.tellUnsteered(errors)
        case (.refuse, .failed(let errors)): ports.tellNotRefused(errors)
        case (.checkQueue(let inode), .closed(let socket)):
            try helper.watchQueueAgain(inode)
            if let socket, let worker = workers[socket.owner] {
                steer()
                ports.tellClosed(socket.address, by: worker)
            }
        case (.discardOverdue, .lost(let queues)): ports.tellLost(queues)
        case (.look(let id, _), .looked(let look)):
            if let event = emptyings.hear(look, of: id, by: helper) { handle(event) }
        case (.measure, .measured(let memory)): for worker in memory { hear(worker) }
        default: break
        }
    }

    private func hear(_ outcome: CallOutcome, of worker: WorkerProcess) {
        if outcome.began != nil { beganToListen(worker, isProbe: outcome.isProbe) }
        if let refused = outcome.refused {
            startTrouble.tellPortTaken(refused.listenAddress, from: worker, daemon: settings.daemonName) {
                helper.text(.variable($0, of: $1))
            }
        }
    }

    private func beganToListen(_ worker: WorkerProcess, isProbe: Bool) {
        // The address' group has a new member, which may serve already or not.
        steer()
        guard pool.slots.indices.contains(worker.slot) else { return }
        let current = pool.slots[worker.slot].current?.id
        let hasAll = !isProbe && ports.hasAllPorts(worker.id, of: current == worker.id ? nil : current)
        handle(.listens(worker.id, onAllExpected: hasAll))
    }

    /// Returns the answer to the core; nil: it comes later.
    func countPorts(of id: WorkerID) -> Event? {
        guard let worker = workers[id], ports.countPorts(of: worker) else { return .portsCounted(id, listens: false) }
        return nil
    }

    // MARK: memory

    /// What the helper finds is heard later.
    func measure(_ workers: [MeasuredWorker], within time: Duration) {
        if !workers.isEmpty { helper.ask(.measure(workers, within: time)) }
    }

    private func hear(_ memory: MeasuredMemory) {
        guard let worker = workers[memory.id] else { return }
        memoryWatch.gauge.note(memory.id, bytes: memory.bytes, took: memory.took, at: MonotonicClock.now())
        if let limit = settings.maxMemory, memoryWatch.isWatched(memory.id, in: pool.slots),
            let event = memoryWatch.judge(worker, limit: limit)
        {
            handle(event)
        }
    }

    // MARK: workers that serve, and workers that are gone

    /// The worker serves: sockets that it has closed, and those that it did not take over, are let go.
    func settlePorts(of id: WorkerID) {
        startTrouble.isOver(for: id)
        guard let worker = workers[id] else { return }
        ports.workerIsReady(worker)
    }

    /// Before its exit is told to the core: what waits in its queues is for its replacement.
    func letGoOfPorts(_ worker: WorkerProcess) {
        emptyings.forget(worker.id, by: helper)
        startTrouble.isOver(for: worker.id)
        ports.workerIsGone(worker.id, succession(to: worker))
    }

    private func succession(to worker: WorkerProcess) -> PortSuccession {
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
        guard let worker = workers[id], ports.hasQueues(worker, slots: pool.policy.workers) else { return .emptied(id) }
        emptyings.begin(
            with: worker, ports.listenersToEmpty(of: worker, slots: pool.policy.workers),
            takesConnections: ports.supply.isShared && settings.drain != .signal, settings, by: helper)
        return nil
    }

    func armLookTimer() throws(SystemError) {
        let others = [
            emptyings.nextLook, ports.nextDeadline, helper.nextDeadline, hooks.nextDeadline, starts.nextDeadline,
            startTrouble.nextDeadline, upgrade.nextDeadline, workers.nextDeadline, strays.nextDeadline,
            keeper?.nextDeadline,
            memoryWatch.plan(isWanted: settings.maxMemory != nil && pool.totals.serving > 0),
        ].compactMap { $0 }
        try lookTimer.arm(others.min())
    }
}
