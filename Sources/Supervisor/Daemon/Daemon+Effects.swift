// What the core asks for, carried out as it stands.
internal import Reloader

extension Daemon {
    /// Carries `effect` out; yields the event that answers it, if it has an answer.
    func carryOut(_ effect: Effect, askedBy asker: Asker?) -> Event? {
        switch effect {
        case .spawn(let id, let slot, let generation): return spawn(id, slot: slot, generation: generation)
        case .countPorts(let id): return countPorts(of: id)
        case .empty(let id): return beginEmptying(id)
        case .terminate(let id):
            emptyings.end(with: id, by: helper)
            workers.askToFinish(id, orphanTerms)
        case .kill(let id): workers.kill(id, at: poolTime, orphanTerms)
        case .terminateLeftovers(let id): workers.askLeftoversToFinish(id)
        case .killLeftovers(let id): workers.killLeftovers(id)
        case .release(let generation): releases.release(generation)
        case .finish(let status): exitStatus = Int32(status)
        case .report(let report):
            if case .worker(let report) = report { prepare(for: report) }
            tell(report, askedBy: asker)
        }
        return nil
    }

    /// Makes true what is about to be told.
    private func prepare(for report: WorkerReport) {
        switch report.what {
        case .ready: settlePorts(of: report.id)
        case .draining(let reason):
            // Must be looked at before the stop signal; the failure is reported after it.
            if reason == .startTimedOut { workers.lookForRing(of: report.id) }
        case .killed, .exited, .failed, .leftoversEnding, .leftoversKilled, .memoryLimitTooLow: break
        }
    }

    private func spawn(_ id: WorkerID, slot: Int, generation number: Int) -> Event? {
        // After a takeover the core asks again for starts that have begun since.
        if isTakingOver, starts.has(id) || workers[id] != nil { return nil }
        guard let generation = releases[number] else {
            preconditionFailure("the core starts generation \(number), which it has released")
        }
        return start(WorkerStart(id, slot: slot, generation))
    }
}

extension Effect {
    /// Whether something is done outside of this process.
    var isAct: Bool { if case .report = self { false } else { true } }
}
