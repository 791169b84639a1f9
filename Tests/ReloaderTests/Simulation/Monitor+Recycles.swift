import Reloader

/// Checks that what is reported about recycles is true.
extension Monitor {
    mutating func recycleBegan(_ slot: Int, _ generation: Int, _ reason: RecycleReason) throws(Violation) {
        try require(phase == .running && course == .none, .recycle, "slot \(slot) is recycled at \(course)")
        try require(recycling == nil, .recycle, "slot \(slot) is recycled while another one is")
        try require(seats.indices.contains(slot), .recycle, "slot \(slot) is recycled, of \(size)")
        try require(seats[slot].generation == generation, .story, "slot \(slot) is not at \(generation)")
        let mayBegin =
            switch reason {
            case .asked: askedRestarts.contains(slot)
            case .watchdog: any(in: slot) { $0.isReady && !$0.isInFlight && $0.hungSince != nil }
            case .memory: any(in: slot) { $0.isReady && !$0.isInFlight && $0.takesTooMuch(at: now) }
            case .age:
                any(in: slot) { $0.isReady && !$0.isInFlight && $0.ageLimits.map { $0.earliest <= now } ?? false }
            }
        try require(mayBegin, .recycle, "slot \(slot) is recycled without a reason: \(reason)")
        let isAsked = reason == .asked || askedRestarts.allSatisfy { isCrowded($0) }
        try require(isAsked, .recycle, "slot \(slot) is recycled before those that were asked for")
        if reason != .asked { try checkFairness(slot) }
        askedRestarts.removeAll { $0 == slot }
        recycling = Recycling(slot: slot, reason: reason, beganAt: now)
        capacityAtBegin = serving
        lost = 0
    }

    /// No other worker that could be recycled now comes first: a hung one, or one that has served longer.
    private func checkFairness(_ slot: Int) throws(Violation) {
        guard let chosen = live.first(where: { workers[$0].slot == slot && isInTurn(workers[$0]) }) else { return }
        for index in live where workers[index].isOverdue(at: now) && isInTurn(workers[index]) {
            let isLater = comesBefore(workers[index], workers[chosen])
            try require(!isLater, .recycle, "slot \(slot) is recycled before \(workers[index].id)")
        }
    }

    private func comesBefore(_ one: Facts, _ other: Facts) -> Bool {
        let (isHung, isOtherHung) = (one.hungSince != nil, other.hungSince != nil)
        guard isHung == isOtherHung else { return isHung }
        guard let since = one.readySince, let otherSince = other.readySince else { return false }
        return since < otherSince
    }

    private func isInTurn(_ worker: Facts) -> Bool {
        let isWaiting = seats[worker.slot].retryAt.map { $0 > now } ?? false
        return worker.isReady && !worker.isInFlight && !isWaiting && !isCrowded(worker.slot)
    }

    mutating func recycleDone(
        _ slot: Int, _ generation: Int, _ reason: RecycleReason, _ took: Duration
    ) throws(Violation) {
        guard let recycling, recycling.slot == slot, recycling.reason == reason else {
            throw Violation(.recycle, "slot \(slot) was not recycled")
        }
        try require(took == now - recycling.beganAt, .story, "slot \(slot) was recycled in \(took)")
        let failures = seats[slot].failures
        let memoryRecycles = seats[slot].memoryRecycles
        try takeOver(slot)
        seats[slot].memoryRecycles = memoryRecycles + (reason == .memory ? 1 : 0)
        try require(seats[slot].generation == generation, .story, "slot \(slot) is not at \(generation)")
        self.recycling = nil
        guard let hung = step.killedAsHung, let readySince = workers[hung].readySince else { return }
        guard workers[hung].slot == slot, now - readySince < policy.backoffReset else { return }
        seats[slot].failures = failures
        countRetry(in: slot)
    }

    mutating func recycleFailed(_ index: Int, _ reason: RecycleReason) throws(Violation) {
        let worker = workers[index]
        try require(step.owedRecycleFailure == worker.id, .story, "the recycle by \(worker.id) did not fail")
        try require(
            recycling?.slot == worker.slot && recycling?.reason == reason, .story, "slot \(worker.slot) is not recycled"
        )
        step.owedRecycleFailure = nil
        recycling = nil
        if !any(in: worker.slot, { $0.isInOffice && $0.id != worker.id }) {
            countFailure(in: worker.slot, of: worker.id)
        } else if reason != .asked {
            countRetry(in: worker.slot)
        }
    }

    mutating func isSpared(
        _ index: Int, _ age: Duration, _ delay: Duration, _ times: Int
    ) throws(Violation) {
        let worker = workers[index]
        try require(step.owedSparing == worker.id, .recycle, "\(worker.id) is spared but does not use too much")
        step.owedSparing = nil
        let counted = seats[worker.slot].memoryRecycles
        try require(times == counted, .recycle, "\(counted) were replaced for memory, reported \(times)")
        try require(worker.readySince.map { now - $0 } == age, .story, "\(worker.id) was ready for \(age)")
        var longest = Policy.memoryBackoffBase
        for _ in 1..<times where longest < Policy.memoryBackoffCap { longest = longest * 2 }
        longest = min(longest, Policy.memoryBackoffCap)
        let isInRange = delay >= longest / 2 - .nanoseconds(1) && delay <= longest
        try require(isInRange, .recycle, "\(worker.id) is spared for \(delay), as number \(times)")
        workers[index].memoryAt = now + delay
    }

    mutating func recycleAbandoned(_ slot: Int, _ reason: RecycleReason) throws(Violation) {
        let hasCause =
            switch step.event {
            case .reload, .rollback: true
            case .scale: slot >= size
            default: phase != .running
            }
        try require(hasCause, .recycle, "the recycle of slot \(slot) is abandoned without a cause")
        if recycling?.slot == slot, recycling?.reason == reason {
            recycling = nil
            letGoSilently { $0.isInFlight && $0.slot == slot }
        } else {
            try require(reason == .asked && askedRestarts.contains(slot), .story, "slot \(slot) is not recycled")
            askedRestarts.removeAll { $0 == slot }
        }
    }

    /// A recycle that is wanted begins as soon as it may.
    func judgeRecycles() throws(Violation) {
        guard phase == .running else {
            return try require(
                recycling == nil && askedRestarts.isEmpty, .recycle, "a recycle goes on in a pool that ends")
        }
        if course != .none {
            return try require(recycling == nil && askedRestarts.isEmpty, .recycle, "a recycle goes on during a roll")
        }
        if recycling != nil {
            return try require(
                serving >= capacityAtBegin - lost, .capacity,
                "\(serving) slots serve; \(capacityAtBegin) did when the recycle began, \(lost) crashed")
        }
        try require(askedRestarts.allSatisfy { isCrowded($0) }, .recycle, "restarts of \(askedRestarts) do not begin")
        for index in live where workers[index].isOverdue(at: now) {
            try require(!isInTurn(workers[index]), .recycle, "\(workers[index].id) is overdue but is not recycled")
        }
    }
}
