import Reloader

/// What must hold after every step, and what the step still owes.
extension Monitor {
    mutating func judge(_ pool: Pool) throws(Violation) {
        noteSilence()
        try judgeDebts()
        try judgeWorkers()
        try judgeSlots()
        try judgeLeftovers()
        try judgeRoll()
        try judgeRecycles()
        try judgeView(of: pool)
    }

    private func judgeDebts() throws(Violation) {
        if let announced = step.announced { throw Violation(.signals, "\(announced) was announced but does not come") }
        if let order = step.owedAgain.first { throw Violation(.handingOn, "\(order) is not asked for again") }
        try requireNone(step.owedStopSignal, .signals, "is empty but gets no stop signal")
        try requireNone(step.owedExit, .signals, "exited unseen")
        try requireNone(step.owedSilence, .story, "was silent, which is not reported")
        try require(step.scaledFrom == nil, .story, "the new size \(size) is not reported")
        if let refusal = step.owedRefusal { throw Violation(.story, "\(step.event) is not refused: \(refusal)") }
        if let word = step.owedWord { throw Violation(.story, "\(step.event) does nothing: \(word)") }
        guard phase == .running else { return }
        try require(step.owedRoll == nil, .story, "no roll begins")
        try requireNone(step.owedRecycleFailure, .story, "failed, but its recycle goes on")
        try require(step.owedRetries.isEmpty, .backoff, "slots \(step.owedRetries) failed but are not tried again")
        try requireNone(step.owedFailure, .story, "failed unseen")
        if let id = step.owedSparing, let index = index(of: id) {
            let mayBeOld = workers[index].ageLimits.map { $0.earliest <= now } ?? false
            try require(mayBeOld, .recycle, "\(id) uses too much from its start, which is not reported")
        }
        try requireNone(step.owedReady, .story, "said that it is ready, or listens, but is not ready")
        try requireNone(step.owedStopping, .story, "said that it stops, but does not")
        try requireNone(step.owedRollFailure, .reverts, "failed, but the roll goes on")
        try require(!step.owedGiveUp, .backoff, "the pool does not give up after \(failureTimes.count) failures")
        try require(step.owedBackoffs.isEmpty, .backoff, "slots \(step.owedBackoffs) failed but do not back off")
        let isExcused = step.rollEnded || step.rollBegan
        try require(!step.promotedEarly || isExcused, .startFirst, "a replacement took its slot before it soaked")
    }

    private func requireNone(_ debt: WorkerID?, _ invariant: Invariant, _ what: String) throws(Violation) {
        if let debt { throw Violation(invariant, "\(debt) \(what)") }
    }

    private func judgeWorkers() throws(Violation) {
        var active = 0
        for index in live {
            let worker = workers[index]
            if worker.isActive, worker.isAnswered { active += 1 }
            try judgeTime(of: worker)
            guard worker.isAnswered else { continue }
            try judgePlace(of: worker)
        }
        let more = course != .none ? surgeMax : recycling != nil ? 1 : 0
        try require(active <= size + more, .limit, "\(active) active in \(size) slots, with \(more) more allowed")
    }

    private func judgeTime(of worker: Facts) throws(Violation) {
        guard !worker.isVague, worker.killedAt == nil else { return }
        let id = worker.id
        if let end = worker.emptyUntil {
            try require(end > now, .signals, "\(id) had its time to be emptied but gets no stop signal")
        } else if !worker.isInOffice {
            try require(worker.limit > now, .signals, "\(id) had its time to finish but is not killed")
        } else if let readySince = worker.readySince {
            try require(!mustBeKilled(worker), .deadlines, "\(id) has been silent for \(now - worker.lastSign)")
            let isWaiting = !worker.isInFlight || readySince + soak > now
            try require(isWaiting, .deadlines, "\(id) has soaked but does not take its slot")
        } else {
            try require(worker.limit > now, .deadlines, "\(id) had its time to start")
            let isOldEnough = worker.oldEnoughAt.map { $0 <= now } ?? false
            try require(!isOldEnough, .deadlines, "\(id) is old enough to be ready")
            let isWaiting = worker.portsCountedAt.map { $0 > now } ?? true
            try require(isWaiting, .listening, "\(id) listens on some ports but waits too long for the rest")
        }
    }

    /// A worker on trial must be killed if it has been silent for its time. Another worker must be killed if it has
    /// been silent for the same time again and no replacement is on the way.
    func mustBeKilled(_ worker: Facts) -> Bool {
        guard let interval = worker.policy.watchdog else { return false }
        if isOnTrial(worker) { return worker.isSilent(at: now) }
        let isReplaced = any(in: worker.slot) { $0.isInFlight && $0.isInOffice && $0.id != worker.id }
        return worker.hungSince.map { $0 + interval <= now } ?? false && !isReplaced
    }

    private func judgePlace(of worker: Facts) throws(Violation) {
        let id = worker.id
        switch phase {
        case .running:
            guard worker.isInOffice else { return }
            try require(worker.slot < size, .limit, "\(id) keeps slot \(worker.slot) of \(size)")
            let isRecycle = recycling?.slot == worker.slot
            let isOnCourse = course != .none && worker.generation == goal || isRecycle
            try require(!worker.isInFlight || isOnCourse, .story, "\(id) is still in flight after its roll")
        case .drained: try require(!worker.isInOffice, .story, "\(id) is not drained")
        case .stopping(.graceful, _): try require(!worker.isInOffice || worker.killedAt != nil, .stops, "\(id) goes on")
        case .stopping(.fast, _): try require(worker.killedAt != nil, .stops, "\(id) is not killed")
        case .finished: throw Violation(.stops, "\(id) is left behind")
        }
    }

    /// Each slot has a worker, or a reason to wait for one.
    private func judgeSlots() throws(Violation) {
        guard phase == .running else { return }
        for slot in 0..<size where !any(in: slot, { $0.isInOffice || !$0.isAnswered }) {
            let isCrowded = count { $0.slot == slot } + remains(of: slot) >= Policy.lingeringMax
            let isWaiting = seats[slot].restartAt.map { $0 > now } ?? false
            try require(isCrowded || isWaiting, .deadlines, "slot \(slot) is empty but waits for nothing")
        }
    }

    private func judgeRoll() throws(Violation) {
        guard phase == .running, course != .none else { return }
        let capacity = serving
        try require(
            capacity >= capacityAtBegin - lost, .capacity,
            "\(capacity) slots serve; \(capacityAtBegin) did when the roll began, \(lost) crashed")
        let isThere = slotsAtGoal == size && canary == nil
        try require(!isThere, .settles, "every slot is at \(goal), but the roll goes on")
        let isLate = isForward && rollTimesOutAt.map { $0 <= now } ?? false
        try require(!isLate, .deadlines, "the roll is not done in time but goes on")
        try judgeCanary()

        guard inFlight < surge, room > 0 else { return }
        for slot in 0..<size where seats[slot].generation != goal {
            let isBusy = any(in: slot) { $0.isInFlight && $0.isInOffice || !$0.isAnswered }
            let waitsUntil = isReverting ? seats[slot].restartAt : seats[slot].retryAt
            let isWaiting = waitsUntil.map { $0 > now } ?? false
            try require(isBusy || isCrowded(slot) || isWaiting, .settles, "slot \(slot) does not get its turn")
        }
    }

    private func judgeCanary() throws(Violation) {
        guard isForward, let canary else { return }
        try require(!isCanaryComplete || waitsSince != nil, .trial, "the canary is complete, which is not reported")
        guard !isPaused, isCanaryComplete, let waitsSince, let time = canary.time else { return }
        try require(waitsSince + time > now, .deadlines, "the canary has waited long enough")
    }

    private func judgeView(of pool: Pool) throws(Violation) {
        if let deadline = pool.nextDeadline {
            try require(deadline > now, .deadlines, "the next deadline is \(now - deadline) ago")
        }
        try require(pool.workersAlive == live.count, .story, "\(pool.workersAlive) workers alive; \(live.count) are")
        let ready = count { $0.isReady }
        try require(pool.totals.ready == ready, .story, "\(pool.totals.ready) workers ready; \(ready) are")
        for index in live {
            let isServing = pool.isServing(workers[index].id)
            try require(isServing == workers[index].isReady, .story, "\(workers[index].id) serves: \(isServing)")
        }
        try require(pool.keptGenerations == kept, .release, "the pool keeps \(pool.keptGenerations), not \(kept)")
        try require(pool.badGenerations == bad, .story, "the bad generations are \(pool.badGenerations), not \(bad)")
        try require(pool.isPaused == isPaused, .story, "paused: \(pool.isPaused)")
        let mustBeReady = phase == .running && !wasReady && ownersReady
        try require(!mustBeReady, .story, "the pool is ready, which is not reported")
        if case .stopping = phase {
            try require(!live.isEmpty || !remains.isEmpty, .stops, "no worker is left, but the end does not come")
        }
        if phase == .finished { try require(pool.nextDeadline == nil, .stops, "a timer is armed after the end") }
    }

    // MARK: at rest

    /// There are n ready workers of one generation, and nothing else.
    var isSettled: Bool {
        switch phase {
        case .finished: true
        case .stopping: false
        case .drained: live.isEmpty && remains.isEmpty
        case .running:
            isAging
                ? course == .none && ownersReady && seats.allSatisfy { $0.generation == settled }
                : course == .none && recycling == nil && live.count == size && remains.isEmpty
                    && live.allSatisfy { workers[$0].isReady && workers[$0].generation == settled }
                    && seats.allSatisfy { $0.retryAt.map { $0 <= now } ?? true }
        }
    }

    /// Its workers grow old: such a pool rests only for short periods, while no worker is due.
    var isAging: Bool { phase == .running && live.contains { workers[$0].policy.maxAge != nil } }

    /// What must hold at rest.
    func judgeRest(of pool: Pool) throws(Violation) {
        let watched = live.contains { workers[$0].policy.watchdog != nil }
        let isSparing = live.contains { workers[$0].memoryAt != nil }
        try require(pool.nextDeadline == nil || watched || isAging || isSparing, .settles, "a timer is armed at rest")
        guard phase == .running || phase == .drained else { return }
        let pinned = (1...newest).filter { !released.contains($0) }
        try require(pinned == kept.sorted(), .release, "generations \(pinned) are still pinned; \(kept) are kept")
        try require(kept.count <= policy.generationsKept, .release, "\(kept) are kept, too many")
    }
}
