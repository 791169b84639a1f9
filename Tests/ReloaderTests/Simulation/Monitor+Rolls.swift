import Reloader

/// Checks that what is reported about rolls is true.
extension Monitor {
    var ownersReady: Bool {
        (0..<size).allSatisfy { slot in any(in: slot) { $0.isReady && !$0.isInFlight } }
    }

    mutating func rollBegan(_ target: Int, _ base: Int, _ workers: Int) throws(Violation) {
        if case .forward = course { throw Violation(.story, "a roll begins before the last one has ended") }
        switch step.event {
        case .reload(target, _, let plan): self.plan = plan
        case .rollback(_, let plan) where step.owedRoll == target: self.plan = plan
        default: throw Violation(.story, "a roll begins without a reload or a rollback")
        }
        try require(step.owedRefusal == nil, .room, "a roll begins that there is no room for")
        step.owedRoll = nil
        step.rollBegan = true
        try require(recycling == nil && askedRestarts.isEmpty, .recycle, "a roll begins in the middle of a recycle")
        try require(base == settled && workers == size, .story, "\(workers) workers, from \(base)")
        if isReverting { endRoll() }
        course = .forward(target: target)
        rollBeganAt = now
        rollTimesOutAt = plan.timeout.map { now + $0 }
        capacityAtBegin = serving
        lost = 0
        surgeMax = surge
        workersMax = plan.room.map { population + max(0, $0) }
        step.owesBound = plan.room.map { $0 < surge } ?? false
        canary = target == settled ? nil : plan.canary
        waitsSince = nil
        rollFailures = 0
        for slot in seats.indices { seats[slot].forgetBackoff() }
    }

    /// What takes up memory.
    var population: Int { live.count + remains.count }

    /// Memory has room for a replacement beside the worker of a slot; or nobody is there who could make room.
    var hasRoom: Bool {
        guard let workersMax else { return true }
        let empty = seats.indices.count { slot in !any(in: slot) { $0.isInOffice } }
        return population + empty < workersMax || population + empty == size
    }

    mutating func isBounded(_ target: Int, _ room: Int, _ surge: Int) throws(Violation) {
        try require(step.owesBound && course == .forward(target: target), .story, "\(target) is bounded at \(course)")
        try require(room == max(0, plan.room ?? -1) && surge == self.surge, .story, "room \(room), surge \(surge)")
        step.owesBound = false
    }

    /// Replacements that have not taken their slot must be let go, and the ones that run must hear of it.
    mutating func endRoll() {
        course = .none
        canary = nil
        waitsSince = nil
        step.rollEnded = true
        letGoSilently { $0.isInFlight }
    }

    mutating func tookSlot(_ slot: Int, _ generation: Int, _ replaced: Int, _ all: Int) throws(Violation) {
        try require(course != .none && generation == goal, .story, "slot \(slot) is replaced by \(generation)")
        try takeOver(slot)
        try require(
            replaced == slotsAtGoal && all == size, .story,
            "\(replaced) of \(all) slots replaced; \(slotsAtGoal) are")
    }

    /// The slot's replacement serves it from now on.
    mutating func takeOver(_ slot: Int) throws(Violation) {
        let place = live.first { workers[$0].slot == slot && workers[$0].isReady && workers[$0].isInFlight }
        guard let place, let readySince = workers[place].readySince else {
            throw Violation(.startFirst, "slot \(slot) is replaced by no worker")
        }
        if readySince + soak > now { step.promotedEarly = true }
        for index in live where index != place && workers[index].slot == slot && workers[index].isInOffice {
            let isAsked = !workers[index].isAnswered || workers[index].killedAt != nil
            try require(isAsked, .limit, "\(workers[index].id) was replaced but not asked to finish")
            workers[index].hasLeft = true
            workers[index].isVague = !workers[index].isAnswered
        }
        workers[place].isInFlight = false
        seats[slot] = Seat(generation: workers[place].generation)
    }

    mutating func rollFailed(
        _ target: Int, _ base: Int, _ slot: Int, _ id: WorkerID, _ reason: FailureReason, _ toRevert: Int
    ) throws(Violation) {
        try require(course == .forward(target: target), .story, "the roll to \(target) failed, at \(course)")
        try require(step.owedRollFailure == id, .story, "the roll failed because of \(id)")
        try require(base == settled, .reverts, "the base is \(settled), not \(base)")
        let away = seats.reduce(0) { $0 + ($1.generation == base ? 0 : 1) }
        try require(toRevert == away, .story, "\(away) slots to revert, reported \(toRevert)")
        step.owedRollFailure = nil
        revert(from: target)
    }

    mutating func rollTimedOut(_ target: Int, _ base: Int, _ after: Duration, _ toRevert: Int) throws(Violation) {
        try require(course == .forward(target: target), .story, "the roll to \(target) timed out, at \(course)")
        let isLate = rollTimesOutAt.map { $0 <= now } ?? false
        try require(isLate && after == now - rollBeganAt, .story, "the roll timed out after \(after)")
        try require(base == settled, .reverts, "the base is \(settled), not \(base)")
        let isDone = slotsAtGoal == size && canary == nil && !step.promotedEarly
        try require(!isDone, .story, "the roll timed out although it was done")
        let away = seats.reduce(0) { $0 + ($1.generation == base ? 0 : 1) }
        try require(toRevert == away, .story, "\(away) slots to revert, reported \(toRevert)")
        revert(from: target)
    }

    private mutating func revert(from target: Int) {
        endRoll()
        if target != settled {
            kept.removeAll { $0 == target }
            bad.append(target)
        }
        course = .revert(failed: target)
        revertBeganAt = now
        for slot in seats.indices {
            if seats[slot].generation != settled { seats[slot].forgetBackoff() }
            seats[slot].retryAt = nil
        }
    }

    // MARK: canaries

    /// All of the canary's slots are replaced, and no replacement is in flight.
    var isCanaryComplete: Bool { canary != nil && slotsAtGoal >= canarySize && inFlight == 0 }

    mutating func canaryWaits(_ target: Int, _ replaced: Int, _ all: Int, _ time: Duration?) throws(Violation) {
        try require(course == .forward(target: target), .story, "the canary of \(target) waits, at \(course)")
        try require(isCanaryComplete && waitsSince == nil, .story, "the canary does not wait, or waited before")
        try require(
            replaced == slotsAtGoal && all == size && time == canary?.time, .story,
            "\(replaced) of \(all) wait; \(slotsAtGoal) are")
        waitsSince = now
    }

    mutating func isPromoted(_ target: Int, _ after: Duration) throws(Violation) {
        guard let since = waitsSince else { throw Violation(.trial, "\(target) is promoted without a trial") }
        let isAsked = paid(.roll(.promoted(target: target, after: after)))
        let isOver = canary?.time.map { !isPaused && since + $0 <= now } ?? false
        try require(isAsked || isOver, .trial, "\(target) is promoted too early")
        try require(course == .forward(target: target) && after == now - since, .story, "promoted after \(after)")
        canary = nil
        waitsSince = nil
    }
}
