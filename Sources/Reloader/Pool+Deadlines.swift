// What the passing of time does.
extension Pool {
    mutating func expireDeadlines() {
        while let earliest = deadlines.earliest, earliest.deadline <= now { expire(earliest.slot) }
    }

    /// Handles everything that is due in `slot`. Each step looks at the slot again, because the one before may have
    /// changed it.
    private mutating func expire(_ slot: Int) {
        for place in slots[slot].draining.indices { expireDrain(.draining(place), in: slot) }
        for place in slots[slot].leftovers.indices { expireLeftovers(at: place, in: slot) }
        expireWatchdog(.replacement, in: slot)
        expireWatchdog(.current, in: slot)
        expireStart(.replacement, in: slot)
        expireStart(.current, in: slot)
        handOverIfSoaked(slot)
        expireBackoff(slot)
        expireRetry(slot)
        expireAge(slot)
        expireSparing(slot)
    }

    private mutating func expireDrain(_ role: Slot.Role, in slot: Int) {
        switch slots[slot][role]?.state {
        case .emptying(_, let stopAt, _)?: if stopAt <= now { endEmptying(role, in: slot) }
        case .draining(_, let killAt, _)?: if killAt <= now { kill(role, of: slot, .stopTimedOut) }
        case .starting?, .ready?, .killed?, nil: break
        }
    }

    private mutating func expireLeftovers(at place: Int, in slot: Int) {
        if let killAt = slots[slot].leftovers[place].killAt, killAt <= now {
            killLeftovers(at: place, of: slot, .stopTimedOut)
        }
    }

    /// A worker that serves is replaced before it is killed: its replacement has another interval to begin in, and
    /// while that is in flight nothing is due.
    private mutating func expireWatchdog(_ role: Slot.Role, in slot: Int) {
        guard let worker = slots[slot][role], case .ready(let since, let watchdogAt?) = worker.state, watchdogAt <= now
        else { return }
        let isOnTrial = role == .replacement || isCanary(worker)
        if let interval = worker.watchdog, !isOnTrial, !worker.isHung {
            change(slot) { [now] in
                $0.current?.state = .ready(since: since, watchdogAt: now + interval)
                $0.current?.recycleReason = .watchdog
            }
        } else if isOnTrial || slots[slot].replacement == nil {
            kill(role, of: slot, .watchdog)
        }
    }

    private mutating func expireStart(_ role: Slot.Role, in slot: Int) {
        guard case .starting(let deadline, let awaited)? = slots[slot][role]?.state else { return }
        if case .age(let instant) = awaited, instant <= now { return becomeReady(role, in: slot) }
        if deadline <= now { return startTimedOut(role, in: slot, at: deadline) }
        if case .ports(let instant) = awaited, instant <= now { countPorts(role, in: slot) }
    }

    private mutating func startTimedOut(_ role: Slot.Role, in slot: Int, at deadline: Instant) {
        guard let worker = slots[slot][role] else { return }
        let reason = FailureReason.readyTimedOut(deadline - worker.startedAt)
        drain(role, of: slot, .startTimedOut)
        if role == .replacement { return replacementFailed(worker, in: slot, reason) }
        currentFailed(worker, in: slot, reason)
    }

    private mutating func expireBackoff(_ slot: Int) {
        guard let restartAt = slots[slot].restartAt, restartAt <= now else { return }
        change(slot) { $0.restartAt = nil }
        if slots[slot].isVacant { restart(slot) }
        roll?.reconsider(slot)
    }

    private mutating func expireRetry(_ slot: Int) {
        guard let retryAt = slots[slot].retryAt, retryAt <= now else { return }
        change(slot) { $0.retryAt = nil }
        roll?.reconsider(slot)
    }

    private mutating func expireSparing(_ slot: Int) {
        guard let sparedUntil = slots[slot].current?.sparedUntil, sparedUntil <= now else { return }
        change(slot) { $0.current?.recycleReason = .memory }
    }

    private mutating func expireAge(_ slot: Int) {
        guard let recycleAt = slots[slot].current?.recycleAt, recycleAt <= now else { return }
        change(slot) { $0.current?.recycleReason = .age }
    }

    // MARK: after a long sleep

    /// After a time in which nothing ran, every wait that could fail or kill a worker is as long again as at its
    /// beginning, or as long as it would have been anyway. Everything else (backoffs, soaks, ages) goes on as it
    /// stands.
    mutating func grantAllTimeAgain() {
        if let end = roll?.timesOutAt, let timeout = roll?.plan.timeout { roll?.timesOutAt = max(end, now + timeout) }
        for slot in slots.indices {
            change(slot) { [now, policy] in $0.grantTimeAgain(under: policy, at: now) }
        }
    }
}
