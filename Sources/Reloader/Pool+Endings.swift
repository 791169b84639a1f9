// The only place that ends workers.
extension Pool {
    /// Asks a slot's worker to finish. It is emptied first if the policy says so, then gets its one stop signal (unless
    /// it ends of its own accord) and its stop timeout. A worker that the watchdog has killed just joins those whose
    /// exit is awaited.
    mutating func drain(_ role: Slot.Role, of slot: Int, _ reason: DrainReason) {
        guard var worker = slots[slot][role] else { return }
        switch worker.state {
        case .starting, .ready: worker.state = beginLeaving(worker, in: slot, reason)
        case .emptying, .draining: return
        case .killed: break
        }
        change(slot) {
            $0[role] = nil
            $0.draining.append(worker)
        }
    }

    /// A worker is emptied only if there is something to take from it: if it serves and is not about to end of its own
    /// accord.
    private mutating func beginLeaving(_ worker: Worker, in slot: Int, _ reason: DrainReason) -> WorkerState {
        if case .outside(let timeout) = policy.drain, worker.state.isReady, reason != .byItself {
            report(.draining(reason), of: worker, in: slot)
            emit(.empty(worker.id))
            return .emptying(since: now, stopAt: now + timeout, reason)
        }
        if worker.isSpawned { sendStop(to: worker, in: slot, reason) }
        return .draining(since: now, killAt: now + policy.stopTimeout, reason)
    }

    /// From here on the worker drains like any other.
    mutating func endEmptying(_ role: Slot.Role, in slot: Int, byItself: Bool = false) {
        guard let worker = slots[slot][role], case .emptying(let since, _, let reason) = worker.state else { return }
        change(slot) { [now, policy] in
            $0[role]?.state = .draining(
                since: since, killAt: now + policy.stopTimeout, byItself ? .byItself : reason)
        }
        if !byItself { emit(.terminate(worker.id)) }
    }

    /// Sends a worker its one stop signal, or none if it ends of its own accord. Nothing is reported of a worker that
    /// never ran.
    mutating func sendStop(to worker: Worker, in slot: Int, _ reason: DrainReason) {
        report(.draining(reason), of: worker, in: slot)
        if reason != .byItself { emit(.terminate(worker.id)) }
    }

    /// Sends a worker its one SIGKILL.
    mutating func kill(_ role: Slot.Role, of slot: Int, _ reason: KillReason) {
        guard let worker = slots[slot][role], !worker.state.isKilled else { return }
        change(slot) { $0[role]?.state = .killed(readySince: worker.state.readySince) }
        report(.killed(reason), of: worker, in: slot)
        if worker.isSpawned { emit(.kill(worker.id)) }
    }

    /// Asks all workers of a slot to finish. Nothing waits to be started there.
    mutating func standDown(_ slot: Int) {
        beginAfresh(slot)
        drain(.replacement, of: slot, .stopped)
        drain(.current, of: slot, .stopped)
    }

    /// Puts the slot at the settled generation and forgets its past.
    mutating func beginAfresh(_ slot: Int) {
        change(slot) { [settledGeneration] in
            $0.generation = settledGeneration
            $0.memoryRecycles = 0
            $0.forgetBackoff()
        }
    }

    mutating func killAll(in slot: Int) {
        kill(.replacement, of: slot, .fastStop)
        kill(.current, of: slot, .fastStop)
        for place in slots[slot].draining.indices { kill(.draining(place), of: slot, .fastStop) }
        for place in slots[slot].leftovers.indices { killLeftovers(at: place, of: slot, .fastStop) }
        standDown(slot)
    }

    /// Forgets a worker that is gone.
    @discardableResult
    mutating func remove(_ role: Slot.Role, from slot: Int) -> Worker {
        guard let worker = slots[slot][role] else { preconditionFailure("the role was found by its worker") }
        change(slot) { $0[role] = nil }
        slotOfWorker[worker.id] = nil
        return worker
    }
}
