// What workers leave behind: a wrapper's program, helpers, anything that has put itself into the background. The exit
// that counts is the worker's own; its leftovers have the time that the worker had.
//
//   worker exits ──asked to finish, or unasked──▶ stop signal ──time is up, fast stop──▶ SIGKILL ──▶ gone
//        └──────────────killed, fast stop──────────────────────────────────────────────────▲

/// The processes that a worker has started and that outlive it, treated as one. Only the runtime knows which they are.
public struct Leftovers: Codable, Equatable, Sendable {
    /// The worker that left them behind. It is gone.
    public let id: WorkerID
    public let generation: Int
    /// When they are killed if they are still there. nil: they have been killed.
    public internal(set) var killAt: Instant?

    mutating func grantTimeAgain(under policy: Policy, at now: Instant) {
        killAt = killAt.map { max($0, now + policy.stopTimeout) }
    }
}

extension Pool {
    /// `worker` has already been removed from its slot.
    mutating func keepLeftovers(of worker: Worker, in slot: Int) {
        let place = slots[slot].leftovers.count
        let left = Leftovers(id: worker.id, generation: worker.generation, killAt: killTime(after: worker))
        change(slot) { $0.leftovers.append(left) }
        slotOfLeftovers[worker.id] = slot
        if worker.state.isKilled { return killLeftovers(at: place, of: slot, .withWorker) }
        if case .stopping(.fast, _) = phase { return killLeftovers(at: place, of: slot, .fastStop) }
        report(.leftoversEnding(time: killTime(after: worker) - now), of: worker, in: slot)
        emit(.terminateLeftovers(worker.id))
    }

    /// The rest of the worker's own stop timeout, or a whole one if the worker had not been asked to finish.
    private func killTime(after worker: Worker) -> Instant {
        switch worker.state {
        case .draining(_, let killAt, _): killAt
        case .starting, .ready, .emptying, .killed: now + policy.stopTimeout
        }
    }

    mutating func killLeftovers(at place: Int, of slot: Int, _ reason: KillReason) {
        let left = slots[slot].leftovers[place]
        guard left.killAt != nil else { return }
        change(slot) { $0.leftovers[place].killAt = nil }
        report(.leftoversKilled(reason), of: left, in: slot)
        emit(.killLeftovers(left.id))
    }

    mutating func leftoversGone(_ id: WorkerID) {
        guard let slot = slotOfLeftovers.removeValue(forKey: id) else { return }
        change(slot) { $0.leftovers.removeAll { $0.id == id } }
        lingererEnded(in: slot)
    }
}
