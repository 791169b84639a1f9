// What the core asks for, carried out as it stands.
internal import Reloader

extension Daemon {
    /// Carries `effect` out; yields the event that answers it, where one does.
    func carryOut(_ effect: Effect) -> Event? {
        switch effect {
        case .spawn(let id, let slot, let generation): return spawn(id, slot: slot, generation: generation)
        case .drain(let id): return beginDrain(of: id)
        case .terminate(let id):
            endDrain(of: id)
            workers.askToFinish(id, orphanTerms)
        case .kill(let id): workers.kill(id, at: poolTime, orphanTerms)
        case .terminateLeftovers(let id): workers.askLeftoversToFinish(id)
        case .killLeftovers(let id): workers.killLeftovers(id)
        case .release(let generation): generations[generation] = nil
        case .finish(let status): exitStatus = Int32(status)
        case .report(let report):
            // Looked at while it is there: the report of its failure comes after its stop signal.
            if case .workerDraining(let id, _, _, .startTimedOut) = report, let worker = workers[id] {
                worker.usesRing = ProcessTree.usesRing(worker.pid)
            }
            if case .workerReady(let id, _, _, _) = report { settlePorts(of: id) }
            tell(report)
        }
        return nil
    }

    private func spawn(_ id: WorkerID, slot: Int, generation number: Int) -> Event? {
        guard let generation = generations[number] else {
            preconditionFailure("the core starts generation \(number), which it has released")
        }
        return start(WorkerStart(id, slot: slot, generation))
    }
}
