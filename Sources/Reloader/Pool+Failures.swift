// What follows when a slot loses its worker unasked, or a replacement fails.
extension Pool {
    /// `worker` is no longer the slot's current one. If it was a canary, its failure fails the roll, whatever else the
    /// slot has.
    mutating func currentFailed(_ worker: Worker, in slot: Int, _ reason: FailureReason) {
        reportFailure(of: worker, in: slot, reason)
        if let roll, isCanary(worker) {
            failRoll(roll, because: worker, in: slot, reason)
        } else {
            workerLost(in: slot, readySince: worker.state.readySince)
        }
    }

    /// `worker` is no longer the slot's replacement.
    mutating func replacementFailed(_ worker: Worker, in slot: Int, _ reason: FailureReason) {
        reportFailure(of: worker, in: slot, reason)
        guard let roll else { return recycleFailed(because: worker, in: slot, reason) }
        switch roll.direction {
        case .forward where roll.failures < roll.plan.maxFailures:
            self.roll?.failures += 1
            delayReplacement(in: slot)
        case .forward: failRoll(roll, because: worker, in: slot, reason)
        case .revert: slotFailed(slot)
        }
    }

    /// A slot's current worker crashed, or ends of its own accord. `readySince` is nil if it never was ready.
    ///
    /// While a replacement is in flight nothing else is started: it takes the slot, or its failure brings the slot
    /// back.
    mutating func workerLost(in slot: Int, readySince: Instant?) {
        if let roll, roll.isRevert, slots[slot].generation != roll.target {
            // This worker belonged to the failed generation; its end says nothing about the base.
            if slots[slot].isVacant, slots[slot].restartAt == nil { restart(slot) }
        } else if let readySince, now - readySince >= policy.backoffReset {
            change(slot) { $0.failures = 0 }
            if slots[slot].isVacant { restart(slot) }
        } else {
            slotFailed(slot, hadServed: readySince != nil)
        }
    }

    /// Counts one more failure in a row of this slot: the slot waits, or the pool gives up. The slot does not wait if a
    /// worker that had served was the first to fail: one that served once will probably do so again.
    mutating func slotFailed(_ slot: Int, hadServed: Bool = false) {
        change(slot) { $0.failures += 1 }
        if let failures = history.record(at: now, limit: policy.giveUp) { return giveUp(after: failures) }
        guard slots[slot].replacement == nil else { return }
        if hadServed, slots[slot].failures == 1 { return restart(slot) }
        let restartAt = now + drawDelay(of: slot)
        change(slot) { $0.restartAt = restartAt }
    }

    /// The next replacement in this slot waits; meanwhile the slot's own worker goes on, or is started. This does not
    /// count for giving up: the pool serves.
    mutating func delayReplacement(in slot: Int) {
        change(slot) { $0.failures += 1 }
        let retryAt = now + drawDelay(of: slot)
        change(slot) { $0.retryAt = retryAt }
        if slots[slot].isVacant, slots[slot].restartAt == nil { restart(slot) }
    }

    /// Kills the hung worker. Its replacement takes the slot in the same step.
    mutating func killHung(_ worker: Worker, in slot: Int) {
        kill(.current, of: slot, .watchdog)
        reportFailure(of: worker, in: slot, .silent(worker.watchdog ?? .zero))
    }

    /// If the workers of a slot hang one after the other, the next one is not replaced at once. `failures`: the number
    /// before this one.
    mutating func replacedHung(_ worker: Worker, in slot: Int, after failures: Int) {
        guard let readySince = worker.state.readySince, now - readySince < policy.backoffReset else { return }
        change(slot) { $0.failures = failures }
        delayReplacement(in: slot)
    }

    private mutating func drawDelay(of slot: Int) -> Duration {
        let failures = slots[slot].failures
        let delay = Backoff(policy).delay(failures: failures, random: &random)
        report(.backoffBegan(slot: slot, delay: delay, failures: failures))
        return delay
    }

    mutating func reportFailure(of worker: Worker, in slot: Int, _ reason: FailureReason) {
        report(.failed(reason), of: worker, in: slot)
    }

    private mutating func giveUp(after failures: Int) {
        guard let limit = policy.giveUp else { return }
        report(.gaveUp(failures: failures, within: limit.period))
        beginStop(.graceful, status: 1)
    }
}

/// The failures that count for `--give-up`: only those within its period are kept.
struct FailureHistory: Codable, Equatable, Sendable {
    private var times: [Instant] = []
    /// Entries before this index are forgotten; they are removed in bulk.
    private var start = 0

    /// Such a history can go on.
    var isSound: Bool { 0...times.count ~= start }

    /// Counts a failure at `now`. Returns the number of failures within the period if it has reached the limit.
    mutating func record(at now: Instant, limit: GiveUp?) -> Int? {
        guard let limit else {
            times.removeAll()
            start = 0
            return nil
        }
        times.append(now)
        while now - times[start] > max(.zero, limit.period) { start += 1 }
        if start > times.count / 2 {
            times.removeFirst(start)
            start = 0
        }
        let failures = times.count - start
        return failures >= max(1, limit.failures) ? failures : nil
    }
}
