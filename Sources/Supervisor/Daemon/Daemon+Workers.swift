// Between the workers and the core: what is asked of them, what is heard of them, and their end.
internal import Glibc
internal import Reloader

extension Daemon {
    var orphanTerms: OrphanTerms {
        var own = hooks.pids
        if let preflight = upgrade.pid { own.insert(preflight) }
        return OrphanTerms(
            hooks: own, helpers: Set([keeper?.pid].compactMap { $0 }), keepsChildren: settings.keepsChildren)
    }

    // MARK: starts

    /// Returns the answer to the core; nil: it comes later.
    func start(_ start: WorkerStart) -> Event? {
        do throws(SpawnError) {
            let listeners = try listenerDescriptors(for: start.slot, of: start.generation)
            let worker = try starts.spawn(start, by: pool.policy, listeners: listeners, output)
            try workers.add(worker)
            startTrouble.expectReadiness(of: worker, by: pool.policy)
            return .spawned(start.id)
        } catch {
            let isStopping = if case .stopping = pool.phase { true } else { false }
            return starts.failed(start, error, isStopping: isStopping)
        }
    }

    func tryDelayedStarts() {
        for next in starts.takeDue() {
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
        for id in memoryWatch.takeDue(pool.slots) {
            if let event = workers[id].flatMap({ memoryWatch.look(at: $0, limit: limit) }) { handle(event) }
        }
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
        if worker.left.isEmpty { try forget(worker) }
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
        while let worker = try workers.nextStop() {
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
            } else {
                try workers.reapOrphan(child)
            }
        }
        for worker in workers.leaving where workers.hasNothingLeft(worker, orphanTerms) {
            try forget(worker)
            handle(.leftoversGone(worker.id))
        }
    }
}
