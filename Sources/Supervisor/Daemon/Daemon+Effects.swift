// What the core asks for, carried out as it stands.
internal import CLinux
internal import Glibc
internal import Reloader

extension Daemon {
    /// Carries `effect` out; yields the event that answers it, where one does.
    func carryOut(_ effect: Effect) -> Event? {
        switch effect {
        case .spawn(let id, let slot, let generation): return spawn(id, slot: slot, generation: generation)
        case .empty(let id): return beginEmptying(id)
        case .terminate(let id):
            emptyings.end(with: id)
            askToFinish(id)
        case .kill(let id): kill(id)
        case .terminateLeftovers(let id): askLeftoversToFinish(id)
        case .killLeftovers(let id): killLeftovers(id)
        case .release(let generation): generations[generation] = nil
        case .finish(let status): exitStatus = Int32(status)
        case .report(let report):
            if case .worker(let report) = report { prepare(for: report) }
            tell(report)
        }
        return nil
    }

    /// Makes true what is about to be told.
    private func prepare(for report: WorkerReport) {
        switch report.what {
        case .ready: settlePorts(of: report.id)
        case .draining(let reason):
            // Looked at while it is there: the report of its failure comes after its stop signal.
            if reason == .startTimedOut, let worker = workers[report.id] {
                worker.usesRing = ProcessTree.usesRing(worker.pid)
            }
        case .killed, .exited, .failed, .leftoversEnding, .leftoversKilled, .memoryLimitTooLow: break
        }
    }

    private func spawn(_ id: WorkerID, slot: Int, generation number: Int) -> Event? {
        guard let generation = generations[number] else {
            preconditionFailure("the core starts generation \(number), which it has released")
        }
        outOfMemoryKills.look()
        return start(id, slot: slot, generation)
    }

    /// Watches the new worker's channels; where that fails (epoll is out of memory) there is no worker.
    func register(_ worker: WorkerProcess) throws(SpawnError) {
        do throws(SystemError) {
            try loop.watch(worker.exit, .exit(worker))
            try loop.watch(worker.notifySocket, .notifySocket(worker))
            if let pipe = worker.readyPipe { try loop.watch(pipe, .readyPipe(worker)) }
            try output.watch(worker.output)
            if let calls = worker.calls { try loop.watch(calls, .call(worker)) }
        } catch {
            for channel in worker.channels { try? loop.unwatch(channel) }
            _ = rl_kill_with_group(worker.exit.number, worker.pid)
            var exit = rl_exit()
            _ = rl_reap_child(worker.pid, &exit)
            throw SpawnError(step: .channels, error: error, program: worker.generation.program.path)
        }
        workers[worker.id] = worker
        workersByPID[worker.pid] = worker.id
    }

    private func askToFinish(_ id: WorkerID) {
        guard let worker = workers[id] else { return }
        noteDescendants(of: worker)
        let number = worker.generation.stopSignal
        do throws(SystemError) {
            try checked("pidfd_send_signal", "pid \(worker.pid)") { rl_signal(worker.exit.number, number) }
            // One that is stopped hears of nothing; nor would a child that it waits for.
            try checked("pidfd_send_signal", "pid \(worker.pid)") {
                rl_signal_group(worker.exit.number, worker.pid, SIGCONT)
            }
        } catch {
            // ESRCH: it has just ended, and its exit is on its way here.
            if error.errno != ESRCH { tellFailure(error, "cannot signal worker", worker) }
        }
    }

    private func kill(_ id: WorkerID) {
        guard let worker = workers[id] else { return }
        worker.killedAt = poolTime
        noteDescendants(of: worker)
        do throws(SystemError) {
            try checked("pidfd_send_signal", "pid \(worker.pid)") { rl_kill_with_group(worker.exit.number, worker.pid) }
        } catch {
            if error.errno != ESRCH { tellFailure(error, "cannot kill worker", worker) }
        }
    }
}
