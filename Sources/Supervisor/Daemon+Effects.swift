// What the core asks for, carried out as it stands.
internal import CLinux
internal import Glibc
internal import Reloader

extension Daemon {
    /// Carries `effect` out; yields the event that answers it, where one does.
    func carryOut(_ effect: Effect) -> Event? {
        switch effect {
        case .spawn(let id, let slot, let generation): return spawn(id, slot: slot, generation: generation)
        case .terminate(let id): signal(id, settings.stopSignal)
        case .kill(let id): kill(id)
        case .release(let generation): generations[generation] = nil
        case .finish(let status): exitStatus = Int32(status)
        case .report(let report): tell(report)
        }
        return nil
    }

    private func spawn(_ id: WorkerID, slot: Int, generation number: Int) -> Event {
        guard let generation = generations[number] else {
            preconditionFailure("the core starts generation \(number), which it has released")
        }
        do throws(SpawnError) {
            let spawned = try spawner.spawn(
                generation, slot: slot, workers: pool.policy.workers, watchdog: pool.policy.watchdog)
            try register(spawned, id: id, slot: slot, generation: generation)
            return .spawned(id)
        } catch {
            spawnErrors[id] = error
            return .spawnFailed(id, error.failure)
        }
    }

    private func register(
        _ spawned: consuming Spawner.Spawned, id: WorkerID, slot: Int, generation: Generation
    ) throws(SpawnError) {
        let pid = spawned.pid
        let pidfd = spawned.exit.number
        do throws(SystemError) {
            let worker = try WorkerProcess(spawned, id: id, slot: slot, generation: generation.number, watchedBy: self)
            workers[id] = worker
            workersByPID[pid] = id
            write(.worker(.info, "worker_started", "worker starts", slot, generation.number, context(of: id)))
        } catch {
            // It can't be watched (epoll is out of memory): no worker, then.
            _ = rl_kill_group(pidfd, pid)
            var exit = rl_exit()
            _ = rl_reap_child(pid, &exit)
            throw SpawnError(step: .channels, error: error, program: generation.program.path)
        }
    }

    private func signal(_ id: WorkerID, _ number: Int32) {
        guard let worker = workers[id] else { return }
        do throws(SystemError) {
            try checked("pidfd_send_signal", "pid \(worker.pid)") { rl_signal(worker.exit.number, number) }
        } catch {
            // ESRCH: it has just ended, and its exit is on its way here.
            if error.errno != ESRCH { tellFailure(error, "cannot signal worker", worker) }
        }
    }

    private func kill(_ id: WorkerID) {
        guard let worker = workers[id] else { return }
        do throws(SystemError) {
            try checked("pidfd_send_signal", "pid \(worker.pid)") { rl_kill_group(worker.exit.number, worker.pid) }
        } catch {
            if error.errno != ESRCH { tellFailure(error, "cannot kill worker", worker) }
        }
    }
}
