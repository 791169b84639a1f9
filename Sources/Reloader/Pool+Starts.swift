// The only place that starts workers.
extension Pool {
    /// Gives a vacant slot a worker again, of the generation that it served. While a failed roll is reverted, its
    /// generation is not started again: a slot that serves it goes back to the base at once, it has nothing to lose.
    mutating func restart(_ slot: Int) {
        if let roll, roll.isRevert, slots[slot].generation != roll.target {
            startReplacement(in: slot)
        } else {
            spawn(slots[slot].generation, as: .current, in: slot)
        }
    }

    /// Starts the roll's target in a slot, next to its worker or, in a vacant slot, in place.
    mutating func startReplacement(in slot: Int) {
        guard let roll else { return }
        slots[slot].restartAt = nil
        spawn(roll.target, as: .replacement, in: slot)
    }

    /// Not in a crowded slot: `lingererEnded` comes back to it.
    private mutating func spawn(_ generation: Int, as role: Slot.Role, in slot: Int) {
        guard phase == .running, !slots[slot].isCrowded else { return }
        assert(slot < policy.workers, "a retired slot starts nothing")
        assert(slots[slot][role] == nil, "a role has one worker at a time")
        lastWorkerNumber += 1
        let id = WorkerID(number: lastWorkerNumber)
        slots[slot][role] = Worker(id: id, generation: generation, startedAt: now, policy: policy)
        slotOfWorker[id] = slot
        refresh(slot)
        emit(.spawn(id, slot: slot, generation: generation))
    }

    /// A draining worker of the slot is gone: what it was too crowded for can start.
    mutating func lingererEnded(in slot: Int) {
        guard slot < policy.workers else { return removeEmptySlots() }
        roll?.reconsider(slot)
        guard slots[slot].isVacant, slots[slot].restartAt == nil else { return }
        if let roll, slots[slot].generation != roll.target {
            startReplacement(in: slot)
        } else {
            restart(slot)
        }
    }
}
