// The rolling restart.
//
//   no roll ──reload──▶ FORWARD to the new generation ──all slots replaced──▶ rollDone, no roll
//                         │      │        ▲
//                         │      └─reload─┘ rollSuperseded; the base stays
//                         │
//                         └─a replacement or a canary fails, time is up─▶ rollFailed ─▶ REVERT to the base
//                                                                           │    │
//                              FORWARD (the base stays) ◀──reload───────────┘    └─all back─▶ rollReverted, no roll
//   a rollback is a reload to an older generation, also to the base
//   a stop, a drain-all or a give-up ends either; FORWARD with rollAborted
//
// One slot on its way:
//
//   old serves ──turn──▶ old serves, new starts ──ready──▶ old serves, new soaks ──soaked──▶ new serves, old drains
//                              │                             │
//                              └───── new fails ─────────────┴──▶ FORWARD: the roll fails, or one of the failures that
//                                                                 its plan allows is used up. Else, and in a REVERT:
//                                                                 again after backoff
//
// - At most `surge` slots have their turn at a time. A slot without a worker has its turn as soon as the roll begins:
//   that raises nothing above n, and the new generation is probably the fix for what emptied the slot.
// - If memory has room for fewer workers than that (`RollPlan.room`), a slot that has a worker also waits until there
//   is room for another one beside it, and those that drain count: they still have their memory.
// - A slot that the roll may not take (Pool+Canary) goes on as if there were no roll.
// - A replacement is abandoned when its roll is superseded or fails. But if it is ready and nothing else serves its
//   slot, it takes the slot instead, and is then replaced start-first like any other worker: no command lowers
//   capacity.
extension Pool {
    /// A canary is for new code: a roll to the base has none.
    mutating func beginRoll(to target: Int, by plan: RollPlan) {
        abandonRecycles()
        roll = Roll(.forward, to: target, by: plan, startedAt: now)
        if target == settledGeneration { roll?.canary = nil }
        report(.began(target: target, base: settledGeneration, workers: policy.workers))
        if let room = plan.room { bound(target, by: max(0, room), surge: policy.effective(plan.surge ?? policy.surge)) }
        if isPaused { report(.paused) }
        for slot in 0..<policy.workers {
            change(slot) { $0.forgetBackoff() }
            if slots[slot].isVacant { fillVacant(slot) }
        }
    }

    /// Ends the roll if every slot is at its target, or if its time is up; otherwise gives slots their turn.
    mutating func advanceRoll() {
        watchCanary()
        guard let roll else { return }
        if generations.slots(at: roll.target) == policy.workers, roll.canary == nil { return completeRoll(roll) }
        if let end = roll.timesOutAt, end <= now { return timeOut(roll) }
        let surge = policy.effective(roll.plan.surge ?? policy.surge)
        while totals.inFlight < surge, mayTakeSlot, let slot = nextTurn() { startReplacement(in: slot) }
    }

    // MARK: memory

    /// A roll by this plan would be refused: memory has no room for one more worker, and no worker is ending, which
    /// would make room.
    public func lacksRoom(for plan: RollPlan) -> Bool {
        guard let room = plan.room, room < 1, !plan.ignoresRoom else { return false }
        return population == totals.occupied
    }

    private mutating func bound(_ target: Int, by room: Int, surge: Int) {
        // No pool has more than that, see `Policy.lingeringMax`.
        let workersMax = population + min(room, Policy.workersMax * (Policy.lingeringMax + 2))
        roll?.workersMax = workersMax
        if room < surge { report(.bounded(target: target, room: room, surge: surge)) }
    }

    /// Memory has room for a replacement beside the worker that it replaces. A slot without a worker keeps the room
    /// that its next one will take. If all others have ended, one replacement is always allowed: the roll must end.
    private var hasRoom: Bool {
        guard let workersMax = roll?.workersMax else { return true }
        return population + policy.workers - totals.occupied < max(workersMax, policy.workers + 1)
    }

    /// What takes up memory: workers in any state, and what ended workers have left behind, each counted as one.
    private var population: Int { slotOfWorker.count + slotOfLeftovers.count }

    /// Slots that have lost their worker since the roll began come first. All slots that may be due lie at the cursor
    /// or above, so a roll that waits for crowded slots looks at none of them again.
    private mutating func nextTurn() -> Int? {
        if totals.waiting > 0, let cursor = roll?.cursor, cursor < policy.workers,
            let slot = (cursor..<policy.workers).first(where: { slots[$0].isVacant && isDue($0) })
        {
            return slot
        }
        guard hasRoom else { return nil }
        while let cursor = roll?.cursor, cursor < policy.workers {
            if let slot = roll?.step(), isDue(slot) { return slot }
        }
        return nil
    }

    /// A slot whose last replacement failed waits for its backoff. A slot whose own worker is in backoff waits only in
    /// a revert, because a forward roll may bring the fix.
    private func isDue(_ slot: Int) -> Bool {
        guard let roll, slots[slot].generation != roll.target else { return false }
        return slots[slot].replacement == nil && !slots[slot].isCrowded && slots[slot].retryAt == nil
            && (slots[slot].restartAt == nil || !roll.isRevert)
    }

    private mutating func completeRoll(_ finished: Roll) {
        roll = nil
        switch finished.direction {
        case .forward:
            settled.settle(finished.target, keeping: policy.generationsKept)
            report(.done(target: finished.target, workers: policy.workers, took: now - finished.startedAt))
        case .revert(let failed):
            report(.reverted(target: failed, base: finished.target, took: now - finished.startedAt))
        }
    }

    // MARK: one slot

    mutating func handOverIfSoaked(_ slot: Int) {
        guard case .ready(let since, _)? = slots[slot].replacement?.state, since + soak <= now else { return }
        handOver(slot)
    }

    /// The replacement serves the slot from now on. The roll does not wait for the old worker's drain.
    mutating func handOver(_ slot: Int) {
        guard let replacement = slots[slot].replacement else { return }
        let hung = slots[slot].current.flatMap { $0.isHung ? $0 : nil }
        if let hung { killHung(hung, in: slot) }
        drain(.current, of: slot, .replaced)
        let failures = slots[slot].failures
        change(slot) {
            $0.replacement = nil
            $0.current = replacement
            $0.generation = replacement.generation
            $0.forgetBackoff()
        }
        if roll == nil {
            completeRecycle()
            if let hung { replacedHung(hung, in: slot, after: failures) }
        } else {
            change(slot) { $0.memoryRecycles = 0 }
            report(
                .slotReplaced(
                    slot: slot, generation: replacement.generation, replaced: slotsReplaced, workers: policy.workers))
        }
    }

    // MARK: ends of a roll before its goal

    mutating func failRoll(_ failed: Roll, because worker: Worker, in slot: Int, _ reason: FailureReason) {
        let base = settledGeneration
        revert(failed) { toRevert in
            .failed(target: failed.target, base: base, slot: slot, worker.id, reason, toRevert: toRevert)
        }
    }

    private mutating func timeOut(_ late: Roll) {
        let base = settledGeneration
        let after = now - late.startedAt
        revert(late) { toRevert in
            .timedOut(target: late.target, base: base, after: after, toRevert: toRevert)
        }
        advanceRoll()
    }

    /// `story` makes the report from the number of slots that go back.
    private mutating func revert(_ failed: Roll, story: (Int) -> RollReport) {
        keepServingReplacements()
        let base = settledGeneration
        report(story(policy.workers - generations.slots(at: base)))
        settled.markBad(failed.target)
        roll = Roll(.revert(failed: failed.target), to: base, by: failed.plan.ofRevert, startedAt: now)
        roll?.workersMax = failed.workersMax
        for slot in 0..<policy.workers {
            drain(.replacement, of: slot, .abandoned)
            change(slot) {
                if $0.generation != base { $0.forgetBackoff() }
                $0.retryAt = nil
            }
            if slots[slot].isVacant, slots[slot].restartAt == nil { restart(slot) }
        }
    }

    /// A superseded revert has already been reported as a failed roll.
    mutating func supersedeRoll(by newest: Int) {
        guard let superseded = roll else { return }
        keepServingReplacements()
        if !superseded.isRevert { report(.superseded(target: superseded.target, by: newest)) }
        for slot in 0..<policy.workers { drain(.replacement, of: slot, .abandoned) }
        roll = nil
    }

    /// The caller ends all workers.
    mutating func abortRoll() {
        guard let aborted = roll else { return }
        roll = nil
        if !aborted.isRevert { report(.aborted(target: aborted.target)) }
    }

    private mutating func keepServingReplacements() {
        for slot in 0..<policy.workers where onlyReplacementServes(slot) { handOver(slot) }
    }

    func onlyReplacementServes(_ slot: Int) -> Bool {
        let current = slots[slot].current.map { $0.state.isReady && !$0.isHung } ?? false
        let replacement = slots[slot].replacement?.state.isReady ?? false
        return replacement && !current
    }
}
