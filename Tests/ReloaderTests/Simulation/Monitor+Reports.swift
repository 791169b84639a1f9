import Reloader

/// Whether each report is true when it comes.
extension Monitor {
    mutating func take(_ report: Report) throws(Violation) {
        switch report {
        case .workerReady(let id, let slot, let generation, let after):
            try becameReady(known(id, slot, generation), after)
        case .workerDraining(let id, let slot, let generation, let reason):
            try drains(known(id, slot, generation), reason)
        case .workerKilled(let id, let slot, let generation, let reason):
            try isKilled(known(id, slot, generation), reason)
        case .workerExited(let id, let slot, let generation, let status, let lived, let expected):
            let worker = workers[try known(id, slot, generation)]
            try require(step.owedExit == id, .signals, "the exit of \(id) is told without one, or twice")
            try require(step.event == .exited(id, status), .story, "\(id) exited in another way")
            try require(lived == now - worker.startedAt, .story, "\(id) lived \(lived)")
            try require(expected == step.exitExpected, .story, "the exit of \(id) was expected: \(expected)")
            step.owedExit = nil
        case .workerFailed(let id, let slot, let generation, let reason):
            try failed(known(id, slot, generation), reason)
        case .backoffBegan(let slot, let delay, let failures): try backsOff(slot, delay, failures)
        case .poolReady(let workers, let after):
            try require(!wasReady && ownersReady && workers == size, .story, "the pool is not (newly) ready")
            try require(after == now - startedAt, .story, "the pool was ready after \(after)")
            wasReady = true
        case .rollBegan(let target, let base, let workers): try rollBegan(target, base, workers)
        case .slotReplaced(let slot, let generation, let replaced, let workers):
            try tookSlot(slot, generation, replaced, workers)
        case .rollSuperseded(let target, let newer):
            try require(course == .forward(target: target), .story, "the roll to \(target) is superseded, at \(course)")
            try require(newer == newest, .story, "\(newer) is not the newest generation")
            endRoll()
        case .rollFailed(let target, let base, let slot, let id, let reason, let toRevert):
            try rollFailed(target, base, slot, id, reason, toRevert)
        case .rollReverted(let target, let base, let took):
            try require(course == .revert(failed: target), .story, "\(target) is reverted, at \(course)")
            let areBack = base == settled && seats.allSatisfy { $0.generation == base }
            try require(areBack, .reverts, "not all slots are back")
            try require(took == now - revertBeganAt, .story, "the revert took \(took)")
            course = .none
        case .rollDone(let target, let workers, let took):
            try require(course == .forward(target: target), .story, "the roll to \(target) is done, at \(course)")
            try require(seats.allSatisfy { $0.generation == target }, .story, "the roll is done before all slots are")
            try require(workers == size && took == now - rollBeganAt, .story, "\(workers) workers, in \(took)")
            course = .none
            settled = target
        case .rollAborted(let target):
            try require(phase != .running && course == .forward(target: target), .story, "\(target) is aborted")
            endRoll()
        case .scaled(let before, let after):
            try require(step.scaledFrom == before && after == size, .story, "scaled from \(before) to \(after)")
            step.scaledFrom = nil
        case .drainingAll: try require(step.event == .drainAll && phase == .drained, .story, "all drain")
        case .stopping(let mode):
            guard case .stopping(mode, _) = phase else { throw Violation(.story, "it stops, at \(phase)") }
        case .gaveUp: try gaveUp()
        }
    }

    // MARK: workers

    private mutating func becameReady(_ index: Int, _ after: Duration) throws(Violation) {
        let worker = workers[index]
        try require(worker.isActive && worker.readySince == nil, .story, "\(worker.id) cannot become ready")
        try require(after == now - worker.startedAt, .story, "\(worker.id) was ready after \(after)")
        if step.event != .ready(worker.id) {
            let isOldEnough = worker.oldEnoughAt.map { $0 <= now } ?? false
            try require(isOldEnough, .story, "\(worker.id) is ready without a word")
        }
        workers[index].readySince = now
        workers[index].lastSign = now
        if step.owedReady == worker.id { step.owedReady = nil }
    }

    private mutating func drains(_ index: Int, _ reason: DrainReason) throws(Violation) {
        let worker = workers[index]
        if reason == .byItself { return try drainsByItself(index) }
        step.announced = worker.isReady && policy.drain != .signal ? .drain(worker.id) : .terminate(worker.id)
        // One that was let go before it was known to run hears of it now, whatever has become of the reason.
        let isLate = step.firstAnswer == worker.id
        if !isLate { try checkReason(worker, reason) }
        workers[index].hasLeft = true
        workers[index].limit = isLate ? now : now + policy.stopTimeout
        workers[index].isVague = isLate
    }

    private func checkReason(_ worker: Facts, _ reason: DrainReason) throws(Violation) {
        let id = worker.id
        try require(worker.isActive, .signals, "\(id) is asked to finish once more")
        switch reason {
        case .byItself: break
        case .replaced:
            let other = live.first { workers[$0].slot == worker.slot && workers[$0].isReady && workers[$0].isInFlight }
            guard course != .none, let other else { throw Violation(.startFirst, "\(id) has no ready replacement") }
            let soaked = workers[other].readySince.map { $0 + policy.soak <= now } ?? false
            try require(soaked || !worker.isReady, .startFirst, "\(id): its replacement has not soaked")
        case .abandoned:
            let supersedes = if case .reload = step.event { true } else { false }
            try require(worker.isInFlight, .startFirst, "\(id) is no replacement in flight")
            try require(step.rollEnded || supersedes, .startFirst, "\(id) is abandoned in the middle of its roll")
            let covered = any(in: worker.slot) { $0.isReady && $0.id != id }
            try require(covered || !worker.isReady, .startFirst, "\(id) is abandoned, and nothing else serves its slot")
        case .retired: try require(worker.slot >= size, .startFirst, "\(id) is retired from slot \(worker.slot)")
        case .stopped: try require(phase != .running, .startFirst, "\(id) is stopped in a running pool")
        case .startTimedOut:
            try require(
                worker.readySince == nil && worker.limit <= now, .startFirst, "\(id) still has time to be ready")
        }
    }

    private mutating func drainsByItself(_ index: Int) throws(Violation) {
        let worker = workers[index]
        try require(step.owedStopping == worker.id, .story, "\(worker.id) did not say that it stops")
        step.owedStopping = nil
        workers[index].hasLeft = true
        workers[index].saidStopping = true
        workers[index].limit = now + policy.stopTimeout
        lost += 1
        lose(worker)
    }

    private mutating func isKilled(_ index: Int, _ reason: KillReason) throws(Violation) {
        let worker = workers[index]
        let id = worker.id
        switch reason {
        case .stopTimedOut:
            try require(!worker.isBeingEmptied, .signals, "\(id) is killed before its stop signal")
            try require(!worker.isInOffice && worker.limit <= now, .signals, "\(id) still has time to finish")
        case .fastStop:
            let isFast = if case .stopping(.fast, _) = phase { true } else { false }
            try require(isFast, .signals, "\(id) is killed without a fast stop")
        case .watchdog:
            let silentFor = now - worker.lastSign
            let isSilent = worker.policy.watchdog.map { silentFor >= $0 } ?? false
            try require(worker.isReady && isSilent, .signals, "\(id) was silent only \(silentFor)")
            lost += 1
        }
        step.announcedKill = id
        if reason != .watchdog { workers[index].hasLeft = true }
    }

    // MARK: failures

    private mutating func failed(_ index: Int, _ reason: FailureReason) throws(Violation) {
        let worker = workers[index]
        switch reason {
        case .readyTimedOut(let time):
            let isDue = worker.startedAt + time <= now && worker.readySince == nil
            try require(isDue && time >= worker.policy.readyTimeout, .story, "\(worker.id) did not time out in \(time)")
            if !worker.isAnswered { letGoSilently { $0.id == worker.id } }
        case .spawnFailed(let failure):
            try require(step.event == .spawnFailed(worker.id, failure), .story, "\(worker.id) was spawned")
        case .exitedBeforeReady(let status):
            try require(
                step.event == .exited(worker.id, status) && worker.readySince == nil, .story, "\(worker.id) was ready")
        case .exitedInSoak(let status):
            try require(
                step.event == .exited(worker.id, status) && worker.readySince != nil && worker.isInFlight, .story,
                "\(worker.id) did not soak")
        case .crashed(let status):
            try require(
                step.event == .exited(worker.id, status) && worker.readySince != nil && !worker.isInFlight, .story,
                "\(worker.id) did not serve")
        }
        if step.owedFailure == worker.id { step.owedFailure = nil }
        if worker.isInFlight, !isReverting {
            step.owedRollFailure = worker.id
        } else if worker.isInFlight {
            countFailure(in: worker.slot, of: worker.id)
        } else {
            lose(worker)
        }
    }

    /// The slot has lost the worker that it was served by, or was to be.
    private mutating func lose(_ worker: Facts) {
        guard phase == .running, worker.slot < size else { return }
        if isReverting, seats[worker.slot].generation != settled { return }
        if let readySince = worker.readySince, now - readySince >= policy.backoffReset {
            seats[worker.slot].failures = 0
        } else {
            countFailure(in: worker.slot, of: worker.id)
        }
    }

    private mutating func countFailure(in slot: Int, of id: WorkerID) {
        guard phase == .running, slot < size else { return }
        seats[slot].failures += 1
        if let giveUp = policy.giveUp {
            let oldest = now + .nanoseconds(-giveUp.period.nanoseconds)
            failureTimes.append(now)
            failureTimes.removeAll { $0 < oldest }
            if failureTimes.count >= giveUp.failures { return step.owedGiveUp = true }
        } else {
            failureTimes.removeAll()
        }
        let isCovered = any(in: slot) { $0.isInFlight && $0.isInOffice && $0.id != id }
        if !isCovered { step.owedBackoffs.append(slot) }
    }

    private mutating func backsOff(_ slot: Int, _ delay: Duration, _ failures: Int) throws(Violation) {
        guard let owed = step.owedBackoffs.firstIndex(of: slot) else {
            throw Violation(.backoff, "slot \(slot) backs off without a failure")
        }
        step.owedBackoffs.remove(at: owed)
        let counted = seats[slot].failures
        try require(failures == counted, .backoff, "slot \(slot): \(counted) failures, told \(failures)")
        var longest = policy.backoffBase
        for _ in 1..<failures where longest < policy.backoffCap { longest = longest * 2 }
        longest = min(longest, policy.backoffCap)
        let isInRange = delay >= longest / 2 - .nanoseconds(1) && delay <= longest
        try require(isInRange, .backoff, "slot \(slot): \(delay) after \(failures) failures")
        seats[slot].restartAt = now + delay
    }

    private mutating func gaveUp() throws(Violation) {
        try require(step.owedGiveUp, .backoff, "the pool gives up too early")
        step.owedGiveUp = false
        step.owedBackoffs = []
        phase = .stopping(.graceful, status: 1)
        standDown()
    }

    // MARK: rolls

    var ownersReady: Bool {
        (0..<size).allSatisfy { slot in any(in: slot) { $0.isReady && !$0.isInFlight } }
    }

    private mutating func rollBegan(_ target: Int, _ base: Int, _ workers: Int) throws(Violation) {
        if case .forward = course { throw Violation(.story, "a roll begins before the last one has ended") }
        guard case .reload(target, _) = step.event else { throw Violation(.story, "a roll begins without a reload") }
        try require(base == settled && workers == size, .story, "\(workers) workers, from \(base)")
        if isReverting { endRoll() }
        course = .forward(target: target)
        rollBeganAt = now
        capacityAtBegin = serving
        lost = 0
        surgeMax = policy.effectiveSurge
        for slot in seats.indices {
            seats[slot].failures = 0
            seats[slot].restartAt = nil
        }
    }

    /// Replacements that have not taken their slot must be let go, and those of them that run must hear of it.
    private mutating func endRoll() {
        course = .none
        step.rollEnded = true
        letGoSilently { $0.isInFlight }
    }

    private mutating func tookSlot(_ slot: Int, _ generation: Int, _ replaced: Int, _ all: Int) throws(Violation) {
        try require(course != .none && generation == goal, .story, "slot \(slot) is replaced by \(generation)")
        let place = live.first { workers[$0].slot == slot && workers[$0].isReady && workers[$0].isInFlight }
        guard let place, let readySince = workers[place].readySince else {
            throw Violation(.startFirst, "slot \(slot) is replaced by nobody")
        }
        if readySince + policy.soak > now { step.promotedEarly = true }
        for index in live where index != place && workers[index].slot == slot && workers[index].isInOffice {
            let isAsked = !workers[index].isAnswered || workers[index].killedAt != nil
            try require(isAsked, .limit, "\(workers[index].id) was replaced, and not asked to finish")
            workers[index].hasLeft = true
            workers[index].isVague = !workers[index].isAnswered
        }
        workers[place].isInFlight = false
        seats[slot] = Seat(generation: generation)
        let now = seats.reduce(0) { $0 + ($1.generation == goal ? 1 : 0) }
        try require(replaced == now && all == size, .story, "\(replaced) of \(all) slots replaced; \(now) are")
    }

    private mutating func rollFailed(
        _ target: Int, _ base: Int, _ slot: Int, _ id: WorkerID, _ reason: FailureReason, _ toRevert: Int
    ) throws(Violation) {
        try require(course == .forward(target: target), .story, "the roll to \(target) failed, at \(course)")
        try require(step.owedRollFailure == id, .story, "the roll failed because of \(id)")
        try require(base == settled, .reverts, "the base is \(settled), not \(base)")
        let away = seats.reduce(0) { $0 + ($1.generation == base ? 0 : 1) }
        try require(toRevert == away, .story, "\(away) slots to revert, told \(toRevert)")
        step.owedRollFailure = nil
        endRoll()
        course = .revert(failed: target)
        revertBeganAt = now
        for seat in seats.indices where seats[seat].generation != base {
            seats[seat].failures = 0
            seats[seat].restartAt = nil
        }
    }
}
