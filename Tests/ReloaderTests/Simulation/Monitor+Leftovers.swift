import Reloader

/// What a worker that is gone has left behind.
struct Remains {
    let slot: Int
    /// Its worker was killed, or a fast stop is under way: there is nothing to wait for.
    let isDoomed: Bool
    /// When it must have been killed; nil: only the pool knows.
    var limit: Instant?
    var isTerminated = false
    var isKilled = false
}

/// Checks that leftovers get their time, and no more than that.
extension Monitor {
    /// Must be called before the worker is forgotten.
    mutating func leaveBehind(_ index: Int) {
        let worker = workers[index]
        let isAsked = worker.hasLeft && !worker.isBeingEmptied
        let own = worker.isVague ? nil : worker.limit
        step.owedLeftovers = worker.id
        remains[worker.id] = Remains(
            slot: worker.slot, isDoomed: worker.killedAt != nil || isFast,
            limit: isAsked ? own : now + policy.stopTimeout)
    }

    mutating func leftoversGone(_ id: WorkerID) {
        if let gone = remains.removeValue(forKey: id) { step.relievedSlots.insert(gone.slot) }
    }

    mutating func terminateLeftovers(_ id: WorkerID) throws(Violation) {
        guard let left = remains[id] else { throw Violation(.leftovers, "\(id) has left nothing") }
        try require(step.owedLeftovers == id, .leftovers, "the leftovers of \(id) get a second stop signal")
        try require(
            !left.isDoomed && !left.isKilled, .leftovers, "the leftovers of \(id) get a stop signal but not SIGKILL")
        step.owedLeftovers = nil
        remains[id]?.isTerminated = true
    }

    mutating func killLeftovers(_ id: WorkerID) throws(Violation) {
        guard let left = remains[id] else { throw Violation(.leftovers, "\(id) has left nothing") }
        try require(!left.isKilled, .leftovers, "the leftovers of \(id) are killed twice")
        let isDue = left.limit.map { $0 <= now && left.isTerminated } ?? true
        try require(left.isDoomed || isFast || isDue, .leftovers, "the leftovers of \(id) still have time")
        if step.owedLeftovers == id { step.owedLeftovers = nil }
        remains[id]?.isKilled = true
    }

    func leftoversEnd(_ id: WorkerID, _ slot: Int, _ time: Duration) throws(Violation) {
        try require(remains[id]?.slot == slot, .story, "\(id) has left nothing in slot \(slot)")
        if let limit = remains[id]?.limit {
            try require(time == limit - now, .story, "the leftovers of \(id) have \(time)")
        }
    }

    func leftoversAreKilled(_ id: WorkerID, _ slot: Int, _ reason: KillReason) throws(Violation) {
        try require(remains[id]?.slot == slot, .story, "\(id) has left nothing in slot \(slot)")
        try require(reason != .fastStop || isFast, .story, "the leftovers of \(id) are killed without a fast stop")
        try require(reason != .watchdog, .story, "the leftovers of \(id) have no watchdog")
    }

    func judgeLeftovers() throws(Violation) {
        try require(step.owedLeftovers == nil, .leftovers, "the leftovers of \(step.event) are forgotten")
        for (id, left) in remains where !left.isKilled {
            try require(!isFast, .leftovers, "the leftovers of \(id) are not killed")
            if let limit = left.limit { try require(limit > now, .leftovers, "the leftovers of \(id) are overdue") }
        }
    }

    private var isFast: Bool { if case .stopping(.fast, _) = phase { true } else { false } }

    // MARK: time in which nobody ran, or listened

    /// Workers that nobody has started, and that had been let go already, are forgotten.
    mutating func takenOver() {
        grantTimeAgain()
        for index in live {
            let worker = workers[index]
            if let order = order(for: worker) { step.owedAgain.append(order) }
            guard !worker.isAnswered, worker.hasLeft else { continue }
            leave(index)
            step.relievedSlots.insert(worker.slot)
        }
        step.owedAgain += remains.map { $1.isKilled ? .killLeftovers($0) : .terminateLeftovers($0) }
    }

    private func order(for worker: Facts) -> Effect? {
        if !worker.isAnswered {
            return worker.hasLeft ? nil : .spawn(worker.id, slot: worker.slot, generation: worker.generation)
        }
        if worker.killedAt != nil { return .kill(worker.id) }
        if worker.terminatedAt != nil { return .terminate(worker.id) }
        if worker.isBeingEmptied { return .empty(worker.id) }
        return worker.awaitsPorts && worker.isCounted ? .countPorts(worker.id) : nil
    }

    /// Every wait that could fail or kill a worker is as long again as at its beginning.
    mutating func grantTimeAgain() {
        if let end = rollTimesOutAt, let timeout = plan.timeout { rollTimesOutAt = max(end, now + timeout) }
        for index in live { grantTimeAgain(index) }
        let end = now + policy.stopTimeout
        remains = remains.mapValues { left in
            var left = left
            left.limit = left.limit.map { max($0, end) }
            return left
        }
    }

    private mutating func grantTimeAgain(_ index: Int) {
        let worker = workers[index]
        if let end = worker.emptyUntil {
            guard case .outside(let timeout) = policy.drain else { return }
            workers[index].emptyUntil = max(end, now + timeout)
        } else if worker.hasLeft {
            workers[index].limit = max(worker.limit, now + policy.stopTimeout)
        } else if worker.readySince == nil {
            workers[index].limit = max(worker.limit, worker.oldEnoughAt ?? now, now + policy.readyTimeout)
        } else if worker.hungSince != nil {
            workers[index].hungSince = now
        } else {
            workers[index].lastSign = now
        }
    }
}
