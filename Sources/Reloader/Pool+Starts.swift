// The only place that starts workers.
extension Pool {
    /// Gives a vacant slot a new worker of the generation that it served. While a failed roll is being reverted, the
    /// failed generation is not started again: a slot that serves it goes back to the base at once, since it has
    /// nothing to lose.
    mutating func restart(_ slot: Int) {
        if let roll, roll.isRevert, slots[slot].generation != roll.target {
            startReplacement(in: slot)
        } else {
            spawn(slots[slot].generation, as: .current, in: slot)
        }
    }

    /// Starts a worker of the roll's target in a slot (in a recycle: of the slot's own generation), next to the slot's
    /// worker or, in a vacant slot, in place.
    mutating func startReplacement(in slot: Int) {
        change(slot) { $0.restartAt = nil }
        spawn(roll?.target ?? slots[slot].generation, as: .replacement, in: slot)
    }

    /// Gives a slot without a worker one at once: of the roll's target if the roll may take the slot, otherwise of its
    /// own generation.
    mutating func fillVacant(_ slot: Int) {
        if let roll, slots[slot].generation != roll.target, slots[slot].retryAt == nil, mayTakeSlot {
            startReplacement(in: slot)
        } else {
            restart(slot)
        }
    }

    /// Starts nothing in a crowded slot: `lingererEnded` comes back to it.
    private mutating func spawn(_ generation: Int, as role: Slot.Role, in slot: Int) {
        guard phase == .running, !slots[slot].isCrowded else { return }
        assert(slot < policy.workers, "a retired slot starts nothing")
        assert(slots[slot][role] == nil, "a role has one worker at a time")
        lastWorkerNumber += 1
        let id = WorkerID(number: lastWorkerNumber)
        let worker = Worker(id: id, generation: generation, startedAt: now, policy: policy, ageMax: drawAgeMax())
        change(slot) { $0[role] = worker }
        slotOfWorker[id] = slot
        emit(.spawn(id, slot: slot, generation: generation))
    }

    /// A draining worker of the slot is gone: if the slot was too crowded for a start, that can happen now.
    mutating func lingererEnded(in slot: Int) {
        guard slot < policy.workers else { return removeEmptySlots() }
        roll?.reconsider(slot)
        if slots[slot].isVacant, slots[slot].restartAt == nil { fillVacant(slot) }
    }

    /// `maxAge` ± 10 %, so that workers that started together are not recycled one right after the other.
    private mutating func drawAgeMax() -> Duration? {
        guard let maxAge = policy.maxAge else { return nil }
        let spread = max(0, maxAge.nanoseconds) / 10
        return maxAge + .nanoseconds(Int64.random(in: -spread...spread, using: &random))
    }
}
