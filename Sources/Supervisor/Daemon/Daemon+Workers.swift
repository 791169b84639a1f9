// Between the workers and the core: what is asked of them, what is heard of them, and their end.
internal import Glibc
internal import Reloader

extension Daemon {
    var orphanTerms: OrphanTerms {
        OrphanTerms(
            hooks: hooks.pids.union(upgrade.pids), starts: starts.processes,
            helpers: helper.pids.union([keeper?.pid].compactMap { $0 }), keepsChildren: settings.keepsChildren,
            variable: { [helper] name, pid in helper.text(.variable(name, of: pid)) })
    }

    // MARK: starts

    /// Returns the answer to the core; nil: it comes later.
    func start(_ start: WorkerStart) -> Event? {
        // The core has no use for it any more.
        if pool.isEnding { return .spawnFailed(start.id, .exhausted) }
        guard starts.hasRoom else {
            starts.wait(start)
            return nil
        }
        do throws(SpawnError) {
            let listeners = try listenerDescriptors(for: start.slot, of: start.generation)
            try withReserve(for: start) { () throws(SpawnError) in
                try starts.begin(start, by: pool.policy, listeners: listeners)
            }
            ledger.note(.starts)
            keep()
            return nil
        } catch { return starts.failed(start, error) }
    }

    /// A slot that had a worker gets another even if there are no more descriptors; a pool does not grow then.
    private func withReserve<Result>(
        for start: WorkerStart, _ body: () throws(SpawnError) -> Result
    ) throws(SpawnError) -> Result {
        do throws(SpawnError) { return try body() } catch {
            guard error.isForWantOfDescriptors, workers.hasHadOne(in: start.slot) else { throw error }
            return try deployReserve.lend(body)
        }
    }

    /// Does nothing while the process is still being set up.
    func lookAtStart(_ starting: StartingWorker) throws(SystemError) {
        guard let outcome = try starts.look(at: starting, output) else { return }
        ledger.note(.starts)
        do throws(SpawnError) {
            switch outcome {
            case .executed(let worker):
                try workers.add(worker)
                ports.adopt(worker)
                startTrouble.expectReadiness(of: worker, by: pool.policy)
                handle(.spawned(worker.id))
                if worker.stoppedBy != nil { workers.tellStop(of: worker) }
            case .failed(let error): throw error
            }
        } catch { startFailed(starting.start, error) }
        beginWaitingStarts()
    }

    private func startFailed(_ start: WorkerStart, _ error: SpawnError) {
        guard let answer = starts.failed(start, error) else { return }
        handle(answer)
        closeListenersIfGone(start.slot)
    }

    /// What only time tells of starts: some are to be tried again, others have taken too long.
    func lookAtStarts() throws(SystemError) {
        for next in starts.takeDue() {
            if let answer = start(next) { handle(answer) }
        }
        for starting in starts.overdue() {
            try lookAtStart(starting)
            if let error = try starts.giveUp(starting) { startFailed(starting.start, error) }
        }
        beginWaitingStarts()
    }

    private func beginWaitingStarts() {
        while let next = starts.takeNext() {
            if let answer = start(next) { handle(answer) }
        }
    }

    /// If ports are not shared, a worker's calls are not seen: its last words have to tell.
    func noteRefusedPort(of id: WorkerID) {
        guard !ports.supply.isShared, let worker = workers[id] else { return }
        startTrouble.noteRefusedPort(
            of: worker, listener: ports.listeners.first, isOneOfMany: !settings.sharesPorts && pool.policy.workers > 1)
    }

    // MARK: hearing

    func hear(_ messages: [WorkerMessage], from worker: WorkerProcess) {
        for message in messages {
            if let event = workers.event(of: message, from: worker) { handle(event) }
        }
    }

    func lookAtMemory() {
        guard let limit = settings.maxMemory else { return }
        let large = memoryWatch.takeDue(pool.slots).compactMap { id in
            workers[id].flatMap { memoryWatch.suspects(of: $0, limit: limit) }.map {
                MeasuredWorker(id: id, processes: $0)
            }
        }
        measure(large, within: MemoryGauge.watchBudget)
    }

    // MARK: ends

    /// Does nothing while the worker still runs.
    func workerExited(_ worker: WorkerProcess) throws(SystemError) {
        guard let status = try workers.reap(worker, orphanTerms) else { return }
        // A worker's last words count before its end: it may be ready and gone at once.
        hear(try workers.readReadyPipe(of: worker), from: worker)
        hear(try workers.readNotifySocket(of: worker), from: worker)
        if worker.left.isEmpty {
            try output.readLastWords(of: worker.output)
        } else {
            try output.readWordsSoFar(of: worker.output)
        }
        letGoOfPorts(worker)
        handle(.exited(worker.id, status, leaves: !worker.left.isEmpty))
        try workers.unwatchExit(of: worker)
        if worker.left.isEmpty { try forget(worker) } else { try workers.watchLeftovers(of: worker) }
    }

    func leftoverHasEnded(_ process: ProcessIdentity, of worker: WorkerProcess) throws(SystemError) {
        try workers.leftoverHasEnded(process)
        guard workers.leaving.contains(where: { $0 === worker }) else { return }
        if workers.hasNothingLeft(worker, orphanTerms) {
            try forget(worker)
            handle(.leftoversGone(worker.id))
        } else {
            try workers.watchLeftovers(of: worker)
        }
    }

    /// Nothing is left of the worker.
    private func forget(_ worker: WorkerProcess) throws(SystemError) {
        try output.readLastWords(of: worker.output)
        try workers.forget(worker)
        try ports.answerSurvivors(of: worker)
        memoryWatch.gauge.forget(worker.id)
        output.keepEnded(worker.output)
        closeListenersIfGone(worker.slot)
        control.descriptorIsFree()
    }

    func reap(_ hook: HookProcess) throws(SystemError) {
        if let ticks = try hooks.reap(hook) { workers.noteOrphans(ofHookStartedAt: ticks, orphanTerms) }
    }

    /// Reaps workers and hooks that have ended, and orphans that were handed to the daemon as subreaper or PID 1; and
    /// notes which workers are stopped.
    func reapChildren() throws(SystemError) {
        while let worker = try workers.nextStop(starts) {
            // A stopped worker gets no new connections.
            steer()
            workers.tellStop(of: worker)
        }
        while let child = try workers.nextEndedChild() {
            if let worker = workers.running(pid: child) {
                try workerExited(worker)
            } else if let hook = hooks.process(child) {
                try reap(hook)
            } else if let preflight = upgrade.process(child) {
                try look(at: preflight)
            } else if try helper.reap(child) {
                continue
            } else if let starting = starts.starting(pid: child) {
                try lookAtStart(starting)
            } else if let keeper, keeper.isBeingStarted(child) {
                keeper.look()
            } else {
                starts.childHasEnded(child)
                upgrade.childHasEnded(child)
                try workers.reapOrphan(child)
            }
        }
        for worker in workers.leaving where workers.hasNothingLeft(worker, orphanTerms) {
            try forget(worker)
            handle(.leftoversGone(worker.id))
        }
    }
}
