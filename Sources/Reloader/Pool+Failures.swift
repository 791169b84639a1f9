// What follows when a slot loses its worker unasked.
extension Pool {
    /// A slot's current worker crashed, or ends by itself. `readySince` is nil if it never was ready.
    ///
    /// While a replacement is in flight nothing else is started: it takes the slot, or its failure brings the slot back.
    mutating func workerLost(in slot: Int, readySince: Instant?) {
        if let roll, roll.isRevert, slots[slot].generation != roll.target {
            // The failed generation's last act; how it fared says nothing about the base.
            if slots[slot].isVacant, slots[slot].restartAt == nil { restart(slot) }
        } else if let readySince, now - readySince >= policy.backoffReset {
            slots[slot].failures = 0
            if slots[slot].isVacant { restart(slot) }
        } else {
            slotFailed(slot)
        }
    }

    /// One more failure in a row of this slot: it waits, or the pool gives up.
    mutating func slotFailed(_ slot: Int) {
        slots[slot].failures += 1
        if let failures = history.record(at: now, limit: policy.giveUp) { return giveUp(after: failures) }
        guard slots[slot].replacement == nil else { return }

        let failures = slots[slot].failures
        let delay = Backoff(policy).delay(failures: failures, random: &random)
        slots[slot].restartAt = now + delay
        refresh(slot)
        report(.backoffBegan(slot: slot, delay: delay, failures: failures))
    }

    mutating func reportFailure(of worker: Worker, in slot: Int, _ reason: FailureReason) {
        report(.workerFailed(worker.id, slot: slot, generation: worker.generation, reason))
    }

    private mutating func giveUp(after failures: Int) {
        guard let limit = policy.giveUp else { return }
        report(.gaveUp(failures: failures, within: limit.period))
        beginStop(.graceful, status: 1)
    }
}
