// Replacing a worker by a new one of its own generation: because it is old, uses too much memory or is silent, or
// because somebody asked.
//
//   wanted ──no roll, no other recycle──▶ recycleBegan: old serves, new starts ──ready, soaked──▶ recycleDone
//     ▲                                     │                         │                          (old drains)
//     │                                     └──new fails──▶ recycleFailed; asked: no retry; else wanted again
//     └──────────────── after backoff ──────────────────────────────┘ │
//                                                                     └──roll begins, pool ends──▶ recycleAbandoned
//
// - A worker's age and memory are its own: they are forgotten with it. A restart that was asked for belongs to the
//   slot.
// - A silent worker is killed rather than asked to finish. If its replacement does not begin within another interval
//   (because of a roll, another recycle, a crowded slot or a backoff), the worker is killed all the same, and counts as
//   crashed. If the worker says a word before that, its silence is forgotten.
// - If a worker that used too much memory is replaced by one that soon does so too, that one is spared for a while.
// - In a slot without a worker the new one is started in place, and its failure counts like that of any start.

/// A worker that is being replaced by a new one of its own generation. There is at most one in the whole pool, and none
/// during a roll.
public struct Recycle: Codable, Equatable, Sendable {
    public let slot: Int
    public let reason: RecycleReason
    public let startedAt: Instant
}

public enum RecycleReason: String, Codable, Sendable {
    /// It has served for `Policy.maxAge`.
    case age
    /// The runtime says that the worker uses too much memory.
    case memory
    /// The worker has been silent for its watchdog's interval. It is killed when the new one serves, unless it is heard
    /// from before that.
    case watchdog
    /// Somebody asked for it (`Event.restart`).
    case asked
}

extension Pool {
    mutating func askForRestart(of slot: Int) {
        switch phase {
        case .notStarted, .stopping, .finished: return
        case .drained: return report(.refused(.drained))
        case .running: break
        }
        guard 0..<policy.workers ~= slot else { return report(.refused(.noSuchSlot(slot))) }
        guard roll == nil else { return report(.refused(.rollUnderWay(slot: slot))) }
        if recycle?.slot != slot, !askedRestarts.contains(slot) { askedRestarts.append(slot) }
    }

    mutating func advanceRecycle() {
        guard phase == .running, roll == nil, recycle == nil, let (slot, reason) = nextToRecycle() else { return }
        askedRestarts.removeAll { $0 == slot }
        recycle = Recycle(slot: slot, reason: reason, startedAt: now)
        report(.began(generation: slots[slot].generation), of: slot, reason)
        startReplacement(in: slot)
    }

    /// What people asked for comes first, then the silent worker, then the worker that has served longest, so that no
    /// slot waits for ever.
    private func nextToRecycle() -> (slot: Int, reason: RecycleReason)? {
        if let slot = askedRestarts.first(where: { !slots[$0].isCrowded }) { return (slot, .asked) }
        if totals.overdue == 0 { return nil }
        var first: (worker: Worker, since: Instant, slot: Int)?
        for slot in 0..<policy.workers where slots[slot].retryAt == nil && !slots[slot].isCrowded {
            guard let worker = slots[slot].current, worker.isOverdue, let since = worker.state.readySince else {
                continue
            }
            let isFirst = first.map { worker.isHung != $0.worker.isHung ? worker.isHung : since < $0.since } ?? true
            if isFirst { first = (worker, since, slot) }
        }
        return first.flatMap { first in first.worker.recycleReason.map { (first.slot, $0) } }
    }

    mutating func completeRecycle() {
        guard let recycle else { return }
        self.recycle = nil
        if recycle.reason == .memory { change(recycle.slot) { $0.memoryRecycles += 1 } }
        let took = now - recycle.startedAt
        report(.done(generation: slots[recycle.slot].generation, took: took), of: recycle.slot, recycle.reason)
    }

    /// If nothing else is left in the slot, this was a start of the slot.
    mutating func recycleFailed(because worker: Worker, in slot: Int, _ reason: FailureReason) {
        guard let recycle else { return }
        self.recycle = nil
        report(.failed(generation: worker.generation, worker.id, reason), of: slot, recycle.reason)
        if slots[slot].isVacant {
            slotFailed(slot)
        } else if recycle.reason != .asked {
            delayReplacement(in: slot)
        }
    }

    // MARK: ends before the goal

    /// A roll begins: it replaces every worker anyway.
    mutating func abandonRecycles() {
        if let slot = recycle?.slot, onlyReplacementServes(slot) { handOver(slot) }
        let slot = recycle?.slot
        dropRecycles()
        if let slot { drain(.replacement, of: slot, .abandoned) }
    }

    /// The caller ends all workers.
    mutating func dropRecycles() {
        if let slot = recycle?.slot { dropRecycle(of: slot) }
        for slot in askedRestarts { report(.abandoned, of: slot, .asked) }
        askedRestarts.removeAll()
    }

    /// The caller ends the slot's workers.
    mutating func dropRecycle(of slot: Int) {
        if let reason = recycle.flatMap({ $0.slot == slot ? $0.reason : nil }) {
            recycle = nil
            report(.abandoned, of: slot, reason)
        }
        if askedRestarts.contains(slot) {
            askedRestarts.removeAll { $0 == slot }
            report(.abandoned, of: slot, .asked)
        }
    }
}
