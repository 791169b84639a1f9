// What time does.
extension Pool {
    mutating func expireDeadlines() {
        while let earliest = deadlines.earliest, earliest.deadline <= now { expire(earliest.slot) }
    }

    /// Everything that is due in `slot`. Each step looks at the slot anew, because the one before may have changed it.
    private mutating func expire(_ slot: Int) {
        for place in slots[slot].draining.indices { expireDrain(.draining(place), in: slot) }
        expireWatchdog(.replacement, in: slot)
        expireWatchdog(.current, in: slot)
        expireStart(.replacement, in: slot)
        expireStart(.current, in: slot)
        promoteIfSoaked(slot)
        expireBackoff(slot)
    }

    private mutating func expireDrain(_ role: Slot.Role, in slot: Int) {
        guard case .draining(_, let killAt, _)? = slots[slot][role]?.state, killAt <= now else { return }
        kill(role, of: slot, .stopTimedOut)
    }

    private mutating func expireWatchdog(_ role: Slot.Role, in slot: Int) {
        guard case .ready(_, let watchdogAt?)? = slots[slot][role]?.state, watchdogAt <= now else { return }
        kill(role, of: slot, .watchdog)
    }

    private mutating func expireStart(_ role: Slot.Role, in slot: Int) {
        guard case .starting(let deadline, let readyAt)? = slots[slot][role]?.state else { return }
        if let readyAt, readyAt <= now {
            becomeReady(role, in: slot)
        } else if deadline <= now {
            startTimedOut(role, in: slot, at: deadline)
        }
    }

    private mutating func startTimedOut(_ role: Slot.Role, in slot: Int, at deadline: Instant) {
        guard let worker = slots[slot][role] else { return }
        let reason = FailureReason.readyTimedOut(deadline - worker.startedAt)
        drain(role, of: slot, .startTimedOut)
        if role == .replacement { return replacementFailed(worker, in: slot, reason) }
        reportFailure(of: worker, in: slot, reason)
        workerLost(in: slot, readySince: nil)
    }

    private mutating func expireBackoff(_ slot: Int) {
        guard let restartAt = slots[slot].restartAt, restartAt <= now else { return }
        slots[slot].restartAt = nil
        refresh(slot)
        if slots[slot].isVacant { restart(slot) }
        roll?.reconsider(slot)
    }
}
