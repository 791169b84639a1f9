// What holds a forward roll back: its canary and a pause. Reverts are never held back.
//
//   canary's slots are taken ──all replaced, none in flight──▶ waits ──promote, or time is over──▶ roll goes on
//            ▲  │                                              │  │
//            └──┼──── a slot of it is scaled away ─────────────┘  │
//               └──── a worker of it ends unasked ────────────────┴──▶ the roll fails
//
// The slots beyond the canary keep what they serve: the base, or what earlier rolls, superseded or half reverted, have
// left there.
extension Pool {
    /// The roll may give another slot its turn.
    var mayTakeSlot: Bool {
        guard let roll, !roll.isRevert else { return true }
        if isPaused { return false }
        guard let canary = roll.canary else { return true }
        return generations.slots(at: roll.target) + totals.inFlight < size(of: canary)
    }

    /// The worker serves its slot on trial.
    func isCanary(_ worker: Worker) -> Bool { roll?.canary != nil && worker.generation == roll?.target }

    /// When the roll itself, rather than one of its slots, has something due. The end of time is not a deadline.
    var rollDeadline: Instant? {
        guard let roll else { return nil }
        let deadlines = [roll.timesOutAt, isPaused ? nil : roll.promotesAt]
        return deadlines.compactMap { $0 }.filter { $0.nanoseconds < .max }.min()
    }

    mutating func promote() {
        guard phase == .running || phase == .drained else { return }
        guard roll?.waitsSince != nil else { return report(.refused(.noCanaryWaits)) }
        endTrial()
    }

    /// Checks whether the canary is complete, and whether it has waited long enough.
    mutating func watchCanary() {
        guard let roll, let canary = roll.canary else { return }
        let replaced = generations.slots(at: roll.target)
        guard replaced >= size(of: canary), totals.inFlight == 0 else {
            self.roll?.waitsSince = nil
            return
        }
        if roll.waitsSince == nil {
            self.roll?.waitsSince = now
            report(
                .canaryWaits(
                    target: roll.target, replaced: replaced, workers: policy.workers, promotesAfter: canary.time))
        }
        if !isPaused, let promotesAt = self.roll?.promotesAt, promotesAt <= now { endTrial() }
    }

    private mutating func endTrial() {
        guard let roll, let since = roll.waitsSince else { return }
        self.roll?.canary = nil
        self.roll?.waitsSince = nil
        report(.promoted(target: roll.target, after: now - since))
    }

    private func size(of canary: Canary) -> Int { min(max(canary.slots, 1), policy.workers) }
}
