// The rolling restart.
//
//   no roll ──reload──▶ FORWARD to the new generation ──all slots replaced──▶ rollDone, no roll
//                         │      │        ▲
//                         │      └─reload─┘ rollSuperseded; the base stays
//                         │
//                         └─a replacement fails─▶ rollFailed ─▶ REVERT to the base ──all back──▶ rollReverted, no roll
//                                                                 │
//                                                                 └─reload──▶ FORWARD (the base stays)
//   a stop, a drain-all or a give-up ends either; FORWARD with rollAborted
//
// One slot on its way:
//
//   old serves ──turn──▶ old serves, new starts ──ready──▶ old serves, new soaks ──soaked──▶ new serves, old drains
//                              │                             │
//                              └───── new fails ─────────────┴──▶ FORWARD: the roll fails. REVERT: again after backoff
//
// - A turn comes for at most `surge` slots at a time. A slot without a worker has its turn as soon as the roll begins:
//   that raises nothing above n, and the new generation is probably the fix for what emptied it.
// - A replacement is abandoned when its roll is superseded or fails; but one that is ready in a slot where nothing else
//   serves takes the slot instead, and is then replaced start-first as any other: no command lowers capacity.
extension Pool {
    mutating func beginRoll(to target: Int) {
        roll = Roll(.forward, to: target, startedAt: now)
        report(.rollBegan(target: target, base: settledGeneration, workers: policy.workers))
        for slot in 0..<policy.workers {
            slots[slot].failures = 0
            slots[slot].restartAt = nil
            refresh(slot)
            if slots[slot].isVacant { startReplacement(in: slot) }
        }
    }

    /// Ends the roll when every slot is there; else gives slots their turn.
    mutating func advanceRoll() {
        guard let roll else { return }
        if generations.slots(at: roll.target) == policy.workers { return completeRoll(roll) }
        while totals.inFlight < policy.effectiveSurge, let slot = nextTurn() { startReplacement(in: slot) }
    }

    /// Slots that have lost their worker since the roll began come first. All that may be due lie at the cursor or above,
    /// so a roll that waits for crowded slots looks at none of them again.
    private mutating func nextTurn() -> Int? {
        if totals.waiting > 0, let cursor = roll?.cursor, cursor < policy.workers,
            let slot = (cursor..<policy.workers).first(where: { slots[$0].isVacant && isDue($0) })
        {
            return slot
        }
        while let cursor = roll?.cursor, cursor < policy.workers {
            if let slot = roll?.step(), isDue(slot) { return slot }
        }
        return nil
    }

    /// In a revert a slot whose last replacement failed waits for its backoff; a forward roll brings what may be the fix.
    private func isDue(_ slot: Int) -> Bool {
        guard let roll, slots[slot].generation != roll.target else { return false }
        return slots[slot].replacement == nil && !slots[slot].isCrowded
            && (slots[slot].restartAt == nil || !roll.isRevert)
    }

    private mutating func completeRoll(_ finished: Roll) {
        roll = nil
        switch finished.direction {
        case .forward:
            settledGeneration = finished.target
            report(.rollDone(target: finished.target, workers: policy.workers, took: now - finished.startedAt))
        case .revert(let failed):
            report(.rollReverted(target: failed, base: finished.target, took: now - finished.startedAt))
        }
    }

    // MARK: one slot

    mutating func promoteIfSoaked(_ slot: Int) {
        guard case .ready(let since, _)? = slots[slot].replacement?.state, since + policy.soak <= now else { return }
        promote(slot)
    }

    /// The replacement serves the slot from now on; the roll does not wait for the old worker's drain.
    private mutating func promote(_ slot: Int) {
        guard let replacement = slots[slot].replacement else { return }
        drain(.current, of: slot, .replaced)
        slots[slot].replacement = nil
        slots[slot].current = replacement
        slots[slot].generation = replacement.generation
        slots[slot].failures = 0
        slots[slot].restartAt = nil
        refresh(slot)
        report(
            .slotReplaced(
                slot: slot, generation: replacement.generation, replaced: slotsReplaced, workers: policy.workers))
    }

    /// `worker` is no longer the slot's replacement.
    mutating func replacementFailed(_ worker: Worker, in slot: Int, _ reason: FailureReason) {
        guard let roll else { return }
        reportFailure(of: worker, in: slot, reason)
        switch roll.direction {
        case .forward: failRoll(roll, because: worker, in: slot, reason)
        case .revert: slotFailed(slot)
        }
    }

    // MARK: ends of a roll before its goal

    private mutating func failRoll(_ failed: Roll, because worker: Worker, in slot: Int, _ reason: FailureReason) {
        keepServingReplacements()
        let base = settledGeneration
        let toRevert = policy.workers - generations.slots(at: base)
        report(
            .rollFailed(target: failed.target, base: base, slot: slot, worker.id, reason, toRevert: toRevert))
        roll = Roll(.revert(failed: failed.target), to: base, startedAt: now)
        for slot in 0..<policy.workers {
            drain(.replacement, of: slot, .abandoned)
            if slots[slot].generation != base {
                slots[slot].failures = 0
                slots[slot].restartAt = nil
                refresh(slot)
            }
            if slots[slot].isVacant, slots[slot].restartAt == nil { restart(slot) }
        }
    }

    /// A revert that is superseded has already been reported as a failed roll.
    mutating func supersedeRoll(by newest: Int) {
        guard let superseded = roll else { return }
        keepServingReplacements()
        if !superseded.isRevert { report(.rollSuperseded(target: superseded.target, by: newest)) }
        for slot in 0..<policy.workers { drain(.replacement, of: slot, .abandoned) }
        roll = nil
    }

    /// The caller ends all workers.
    mutating func abortRoll() {
        guard let aborted = roll else { return }
        roll = nil
        if !aborted.isRevert { report(.rollAborted(target: aborted.target)) }
    }

    private mutating func keepServingReplacements() {
        for slot in 0..<policy.workers {
            let current = slots[slot].current?.state.isReady ?? false
            let replacement = slots[slot].replacement?.state.isReady ?? false
            if replacement, !current { promote(slot) }
        }
    }
}
