// After a time in which nobody ran: what would fail or kill somebody waits as long as at its begin, or as long as it would have
// anyway. All else (backoffs, soaks, ages) goes on as it stands.
extension Pool {
    mutating func grantAllTimeAgain() {
        if let end = roll?.timesOutAt, let timeout = roll?.plan.timeout { roll?.timesOutAt = max(end, now + timeout) }
        for slot in slots.indices {
            grantTimeAgain(.current, in: slot)
            grantTimeAgain(.replacement, in: slot)
            for place in slots[slot].draining.indices { grantTimeAgain(.draining(place), in: slot) }
            for place in slots[slot].leftovers.indices {
                let killAt = slots[slot].leftovers[place].killAt
                slots[slot].leftovers[place].killAt = killAt.map(stopTimeAgain)
            }
            refresh(slot)
        }
    }

    private mutating func grantTimeAgain(_ role: Slot.Role, in slot: Int) {
        guard let worker = slots[slot][role] else { return }
        let state: WorkerState =
            switch worker.state {
            case .starting(let deadline, let readyAt):
                .starting(deadline: max(deadline, readyAt ?? deadline, now + policy.readyTimeout), readyAt: readyAt)
            case .ready(let since, let watchdogAt):
                .ready(since: since, watchdogAt: watchdogAt.map { max($0, now + (worker.watchdog ?? .zero)) })
            case .emptying(let since, let stopAt, let reason):
                .emptying(since: since, stopAt: drainTimeAgain(stopAt), reason)
            case .draining(let since, let killAt, let reason):
                .draining(since: since, killAt: stopTimeAgain(killAt), reason)
            case .killed: worker.state
            }
        slots[slot][role]?.state = state
    }

    private func stopTimeAgain(_ killAt: Instant) -> Instant { max(killAt, now + policy.stopTimeout) }

    private func drainTimeAgain(_ stopAt: Instant) -> Instant {
        switch policy.drain {
        case .signal: stopAt
        case .outside(let timeout): max(stopAt, now + timeout)
        }
    }
}
