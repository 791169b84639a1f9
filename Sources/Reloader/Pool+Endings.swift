// The only place that ends workers.
extension Pool {
    /// Asks a slot's worker to finish: it is emptied where the policy says so, then gets its one stop signal (unless it
    /// ends by itself), and its stop timeout. A worker that the watchdog has killed just joins those whose exit is waited
    /// for.
    mutating func drain(_ role: Slot.Role, of slot: Int, _ reason: DrainReason) {
        guard var worker = slots[slot][role] else { return }
        switch worker.state {
        case .starting, .ready: worker.state = beginDrain(of: worker, in: slot, reason)
        case .emptying, .draining: return
        case .killed: break
        }
        slots[slot][role] = nil
        slots[slot].draining.append(worker)
        refresh(slot)
    }

    /// From outside only where there is something to take: from a worker that serves and is not about to end by itself.
    private mutating func beginDrain(of worker: Worker, in slot: Int, _ reason: DrainReason) -> WorkerState {
        if case .outside(let timeout) = policy.drain, worker.state.isReady, reason != .byItself {
            report(.workerDraining(worker.id, slot: slot, generation: worker.generation, reason))
            emit(.drain(worker.id))
            return .emptying(since: now, stopAt: now + timeout, reason)
        }
        if worker.isSpawned { sendStop(to: worker, in: slot, reason) }
        return .draining(since: now, killAt: now + policy.stopTimeout, reason)
    }

    /// The second half of a drain from outside, as of any other.
    mutating func endEmptying(_ role: Slot.Role, in slot: Int, byItself: Bool = false) {
        guard let worker = slots[slot][role], case .emptying(let since, _, let reason) = worker.state else { return }
        slots[slot][role]?.state = .draining(
            since: since, killAt: now + policy.stopTimeout, byItself ? .byItself : reason)
        refresh(slot)
        if !byItself { emit(.terminate(worker.id)) }
    }

    /// A worker's one stop signal; none for one that ends by itself. Nobody hears of a worker that was never there.
    mutating func sendStop(to worker: Worker, in slot: Int, _ reason: DrainReason) {
        report(.workerDraining(worker.id, slot: slot, generation: worker.generation, reason))
        if reason != .byItself { emit(.terminate(worker.id)) }
    }

    /// A worker's one SIGKILL.
    mutating func kill(_ role: Slot.Role, of slot: Int, _ reason: KillReason) {
        guard let worker = slots[slot][role], !worker.state.isKilled else { return }
        slots[slot][role]?.state = .killed(readySince: worker.state.readySince)
        refresh(slot)
        report(.workerKilled(worker.id, slot: slot, generation: worker.generation, reason))
        if worker.isSpawned { emit(.kill(worker.id)) }
    }

    /// Asks all workers of a slot to finish; nothing waits to be started there.
    mutating func standDown(_ slot: Int) {
        slots[slot].generation = settledGeneration
        slots[slot].memoryRecycles = 0
        slots[slot].forgetBackoff()
        drain(.replacement, of: slot, .stopped)
        drain(.current, of: slot, .stopped)
        refresh(slot)
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
        slots[slot][role] = nil
        slotOfWorker[worker.id] = nil
        refresh(slot)
        return worker
    }
}
