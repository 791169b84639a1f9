// A daemon that has taken the pool over from one that died.
//
// The state was kept before the effects of its last event were carried out (`Pool.takeChanges`), so it may say that
// something was asked for which never happened. In this order the runtime
//
// 1. restores the pool, and lets its clock stand still before the first deadline that is due;
// 2. tells what it finds: which workers are there (`spawned`), which are gone (`exited`, `leftoversGone`), and what the
//    others have said meanwhile. What the pool asks for then is carried out as ever;
// 3. sends `takenOver`;
// 4. lets the clock go on, and sends `deadline`.
//
// So nothing is concluded from silence in a time in which nobody listened, and nobody is believed to live, or to serve,
// who has died in it.
extension Pool {
    mutating func takenOver() {
        grantAllTimeAgain()
        let standing = slots.indices.flatMap { orders(in: $0) }
        let unstarted = slots.flatMap { $0.draining }.filter { !$0.isSpawned }
        for order in standing { emit(order) }
        // They were let go before their programs ran, and there are no such processes: nobody need start them now.
        for worker in unstarted { withWorker(worker.id) { $0.spawnFailed($1, in: $2, .exhausted) } }
    }

    /// What was asked for in this slot and has no answer or end yet.
    private func orders(in slot: Int) -> [Effect] {
        let workers = slots[slot].workers.compactMap { order(for: $0, in: slot) }
        let leftovers = slots[slot].leftovers.map { left -> Effect in
            left.killAt == nil ? .killLeftovers(left.id) : .terminateLeftovers(left.id)
        }
        return workers + leftovers
    }

    private func order(for worker: Worker, in slot: Int) -> Effect? {
        switch worker.state {
        case .starting(_, let awaited):
            if !worker.isSpawned { return .spawn(worker.id, slot: slot, generation: worker.generation) }
            return awaited == .count ? .countPorts(worker.id) : nil
        case .ready: return nil
        case .emptying: return .empty(worker.id)
        case .draining(_, _, let reason): return worker.isSpawned && reason != .byItself ? .terminate(worker.id) : nil
        case .killed: return worker.isSpawned ? .kill(worker.id) : nil
        }
    }
}
