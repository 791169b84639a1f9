import Reloader

/// Checks that each report is true when it comes.
extension Monitor {
    mutating func take(_ report: Report) throws(Violation) {
        switch report {
        case .worker(let report): try take(report)
        case .roll(let report): try take(report)
        case .recycle(let report): try take(report)
        case .pool(let report): try take(report)
        }
    }

    private mutating func take(_ report: WorkerReport) throws(Violation) {
        let (id, slot) = (report.id, report.slot)
        let index = try known(id, slot, report.generation)
        switch report.what {
        case .ready(let after): try becameReady(index, after)
        case .draining(let reason): try drains(index, reason)
        case .killed(let reason): try isKilled(index, reason)
        case .exited(let status, let lived, let expected):
            try require(step.owedExit == id, .signals, "the exit of \(id) is false, or reported twice")
            try require(isExit(of: id, status), .story, "\(id) exited in another way")
            try require(lived == now - workers[index].startedAt, .story, "\(id) lived \(lived)")
            try require(expected == step.exitExpected, .story, "the exit of \(id) was expected: \(expected)")
            step.owedExit = nil
        case .failed(let reason): try failed(index, reason)
        case .leftoversEnding(let time): try leftoversEnd(id, slot, time)
        case .leftoversKilled(let reason): try leftoversAreKilled(id, slot, reason)
        case .memoryLimitTooLow(let age, let delay, let times): try isSpared(index, age, delay, times)
        }
    }

    private mutating func take(_ report: RollReport) throws(Violation) {
        switch report {
        case .began(let target, let base, let workers): try rollBegan(target, base, workers)
        case .slotReplaced(let slot, let generation, let replaced, let workers):
            try tookSlot(slot, generation, replaced, workers)
        case .canaryWaits(let target, let replaced, let workers, let time):
            try canaryWaits(target, replaced, workers, time)
        case .promoted(let target, let after): try isPromoted(target, after)
        case .done(let target, let workers, let took):
            try require(course == .forward(target: target), .story, "the roll to \(target) is done, at \(course)")
            try require(seats.allSatisfy { $0.generation == target }, .story, "the roll is done before all slots are")
            try require(workers == size && took == now - rollBeganAt, .story, "\(workers) workers, in \(took)")
            try require(canary == nil, .trial, "the roll is done before its canary is promoted")
            course = .none
            kept.removeAll { $0 == target }
            kept = Array((kept + [target]).suffix(policy.generationsKept))
        case .superseded(let target, let newer):
            try require(course == .forward(target: target), .story, "the roll to \(target) is superseded, at \(course)")
            try require(newer == step.owedRoll ?? newest, .story, "\(newer) is not what was asked for")
            endRoll()
        case .failed(let target, let base, let slot, let id, let reason, let toRevert):
            try rollFailed(target, base, slot, id, reason, toRevert)
        case .timedOut(let target, let base, let after, let toRevert):
            try rollTimedOut(target, base, after, toRevert)
        case .reverted(let target, let base, let took):
            try require(course == .revert(failed: target), .story, "\(target) is reverted, at \(course)")
            let areBack = base == settled && seats.allSatisfy { $0.generation == base }
            try require(areBack, .reverts, "not all slots are back")
            try require(took == now - revertBeganAt, .story, "the revert took \(took)")
            course = .none
        case .aborted(let target):
            try require(phase != .running && course == .forward(target: target), .story, "\(target) is aborted")
            endRoll()
        }
    }

    private mutating func take(_ report: RecycleReport) throws(Violation) {
        let (slot, reason) = (report.slot, report.reason)
        switch report.what {
        case .began(let generation): try recycleBegan(slot, generation, reason)
        case .done(let generation, let took): try recycleDone(slot, generation, reason, took)
        case .failed(let generation, let id, _): try recycleFailed(known(id, slot, generation), reason)
        case .abandoned: try recycleAbandoned(slot, reason)
        }
    }

    private mutating func take(_ report: PoolReport) throws(Violation) {
        switch report {
        case .ready(let workers, let after):
            try require(!wasReady && ownersReady && workers == size, .story, "the pool is not (newly) ready")
            try require(after == now - startedAt, .story, "the pool was ready after \(after)")
            wasReady = true
        case .backoffBegan(let slot, let delay, let failures): try backsOff(slot, delay, failures)
        case .paused: try require(paid(.pool(.paused)) || step.rollBegan && isPaused, .story, "nobody paused it")
        case .resumed: try require(paid(.pool(.resumed)), .story, "nobody resumed it")
        case .refused(let refusal):
            try require(step.owedRefusal == refusal, .story, "\(step.event) is refused: \(refusal)")
            step.owedRefusal = nil
        case .scaled(let before, let after):
            try require(step.scaledFrom == before && after == size, .story, "scaled from \(before) to \(after)")
            step.scaledFrom = nil
        case .drainingAll: try require(step.event == .drainAll && phase == .drained, .story, "all drain")
        case .stopping(let mode):
            guard case .stopping(mode, _) = phase else { throw Violation(.story, "it stops, at \(phase)") }
        case .gaveUp: try gaveUp()
        }
    }

    /// Whether the current event asked for this. True once only.
    mutating func paid(_ word: Report) -> Bool {
        guard step.owedWord == word else { return false }
        step.owedWord = nil
        return true
    }

    // MARK: workers

    private mutating func becameReady(_ index: Int, _ after: Duration) throws(Violation) {
        let worker = workers[index]
        try require(worker.isActive && worker.readySince == nil, .story, "\(worker.id) cannot become ready")
        try require(after == now - worker.startedAt, .story, "\(worker.id) was ready after \(after)")
        // What is due comes before the event of the same instant.
        let isOldEnough = worker.oldEnoughAt.map { $0 <= now } ?? false
        switch step.event {
        case .ready(worker.id): break
        case _ where isOldEnough: break
        case .listens(worker.id, _), .portsCounted(worker.id, _):
            try require(step.owedReady == worker.id, .listening, "\(worker.id) is ready before all its ports are there")
        default: throw Violation(.story, "\(worker.id) is ready without a word")
        }
        workers[index].readySince = now
        workers[index].lastSign = now
        if step.owedReady == worker.id { step.owedReady = nil }
    }

    private mutating func drains(_ index: Int, _ reason: DrainReason) throws(Violation) {
        let worker = workers[index]
        if reason == .byItself { return try drainsByItself(index) }
        step.announced = worker.isReady && policy.drain != .signal ? .empty(worker.id) : .terminate(worker.id)
        // A worker that was let go before it was known to run hears of it now, whatever has become of the reason.
        let isLate = step.firstAnswer == worker.id
        if !isLate { try checkReason(worker, reason) }
        workers[index].hasLeft = true
        workers[index].limit = isLate ? now : now + policy.stopTimeout
        workers[index].isVague = isLate
    }

    private func checkReason(_ worker: Facts, _ reason: DrainReason) throws(Violation) {
        let id = worker.id
        try require(worker.isActive, .signals, "\(id) is asked to finish a second time")
        switch reason {
        case .byItself: break
        case .replaced:
            let other = live.first { workers[$0].slot == worker.slot && workers[$0].isReady && workers[$0].isInFlight }
            guard course != .none || recycling?.slot == worker.slot, let other else {
                throw Violation(.startFirst, "\(id) has no ready replacement")
            }
            let soaked = workers[other].readySince.map { $0 + soak <= now } ?? false
            try require(soaked || !worker.isReady, .startFirst, "\(id): its replacement has not soaked")
            try require(!isKnownToHang(worker), .signals, "\(id) hangs but is asked to finish")
        case .abandoned:
            try require(worker.isInFlight, .startFirst, "\(id) is not a replacement in flight")
            try require(step.rollEnded || beginsRoll, .startFirst, "\(id) is abandoned in the middle of its roll")
            let covered = any(in: worker.slot) { $0.isReady && !isKnownToHang($0) && $0.id != id }
            try require(covered || !worker.isReady, .startFirst, "\(id) is abandoned but nothing else serves its slot")
        case .retired: try require(worker.slot >= size, .startFirst, "\(id) is retired from slot \(worker.slot)")
        case .stopped: try require(phase != .running, .startFirst, "\(id) is stopped in a running pool")
        case .startTimedOut:
            try require(
                worker.readySince == nil && worker.limit <= now, .startFirst, "\(id) still has time to be ready")
        }
    }

    private func isKnownToHang(_ worker: Facts) -> Bool {
        worker.isReady && worker.hungSince != nil && !step.foundSilent.contains(worker.id)
    }

    private mutating func drainsByItself(_ index: Int) throws(Violation) {
        let worker = workers[index]
        try require(step.owedStopping == worker.id, .story, "\(worker.id) did not say that it stops")
        step.owedStopping = nil
        workers[index].hasLeft = true
        workers[index].saidStopping = true
        workers[index].limit = now + policy.stopTimeout
        lost += 1
        if isCanary(worker) { step.owedFailure = worker.id } else { lose(worker) }
    }

    /// The current event may begin a roll.
    private var beginsRoll: Bool {
        switch step.event {
        case .reload, .rollback: true
        default: false
        }
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
        case .withWorker: throw Violation(.story, "\(id) is killed as its own leftover")
        case .watchdog:
            let silentFor = now - worker.lastSign
            try require(worker.isReady && worker.isSilent(at: now), .signals, "\(id) was silent for \(silentFor)")
            if mustBeKilled(worker) {
                lost += 1
            } else {
                let isReplaced = any(in: worker.slot) { $0.isReady && $0.isInFlight }
                try require(worker.hungSince != nil && isReplaced, .startFirst, "\(id) is killed before it is replaced")
                step.owedSilence = id
                step.killedAsHung = index
            }
        }
        step.announcedKill = id
        if reason != .watchdog { workers[index].hasLeft = true }
    }

    private func isExit(of id: WorkerID, _ status: ExitStatus) -> Bool {
        guard case .exited(id, status, _) = step.event else { return false }
        return true
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
                isExit(of: worker.id, status) && worker.readySince == nil, .story, "\(worker.id) was ready")
        case .exitedInSoak(let status):
            try require(
                isExit(of: worker.id, status) && worker.readySince != nil && worker.isInFlight, .story,
                "\(worker.id) did not soak")
        case .crashed(let status):
            try require(
                isExit(of: worker.id, status) && worker.readySince != nil && !worker.isInFlight, .story,
                "\(worker.id) did not serve")
        case .silent(let time):
            try require(
                step.owedSilence == worker.id && worker.policy.watchdog == time, .story, "\(worker.id) was heard")
            step.owedSilence = nil
            return
        case .endedAsCanary:
            try require(step.event == .stopping(worker.id) && isCanary(worker), .story, "\(worker.id) is not a canary")
        }
        if step.owedFailure == worker.id { step.owedFailure = nil }
        if worker.isInFlight, course == .none {
            step.owedRecycleFailure = worker.id
        } else if worker.isInFlight, isForward, rollFailures < plan.maxFailures {
            rollFailures += 1
            countRetry(in: worker.slot)
        } else if worker.isInFlight && isForward || isCanary(worker) {
            step.owedRollFailure = worker.id
        } else if worker.isInFlight {
            countFailure(in: worker.slot, of: worker.id)
        } else {
            lose(worker)
        }
    }

    /// It serves its slot on trial, or did.
    private func isCanary(_ worker: Facts) -> Bool {
        isForward && canary != nil && !worker.isInFlight && worker.generation == goal
    }

    /// Nothing is lost if this worker is killed: its slot has not been given to it for good.
    func isOnTrial(_ worker: Facts) -> Bool { worker.isInFlight || isCanary(worker) }

    /// The slot has lost the worker that served it, or was to serve it.
    private mutating func lose(_ worker: Facts) {
        guard phase == .running, worker.slot < size else { return }
        if isReverting, seats[worker.slot].generation != settled { return }
        if let readySince = worker.readySince, now - readySince >= policy.backoffReset {
            seats[worker.slot].failures = 0
        } else {
            countFailure(in: worker.slot, of: worker.id, hadServed: worker.readySince != nil)
        }
    }

    mutating func countRetry(in slot: Int) {
        seats[slot].failures += 1
        step.owedRetries.append(slot)
    }

    /// The first failure in a row of a worker that had served costs no delay.
    mutating func countFailure(in slot: Int, of id: WorkerID, hadServed: Bool = false) {
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
        if !isCovered, !hadServed || seats[slot].failures > 1 { step.owedBackoffs.append(slot) }
    }

    private mutating func backsOff(_ slot: Int, _ delay: Duration, _ failures: Int) throws(Violation) {
        let isRetry = step.owedRetries.last == slot
        if isRetry { step.owedRetries.removeLast() }
        guard isRetry || step.owedBackoffs.contains(slot) else {
            throw Violation(.backoff, "slot \(slot) backs off without a failure")
        }
        if !isRetry { step.owedBackoffs.removeAll { $0 == slot } }
        let counted = seats[slot].failures
        try require(failures == counted, .backoff, "slot \(slot): \(counted) failures, reported \(failures)")
        var longest = policy.backoffBase
        for _ in 1..<failures where longest < policy.backoffCap { longest = longest * 2 }
        longest = min(longest, policy.backoffCap)
        let isInRange = delay >= longest / 2 - .nanoseconds(1) && delay <= longest
        try require(isInRange, .backoff, "slot \(slot): \(delay) after \(failures) failures")
        if isRetry { seats[slot].retryAt = now + delay } else { seats[slot].restartAt = now + delay }
    }

    private mutating func gaveUp() throws(Violation) {
        try require(step.owedGiveUp, .backoff, "the pool gives up too early")
        step.owedGiveUp = false
        step.owedBackoffs = []
        phase = .stopping(.graceful, status: 1)
        standDown()
    }
}
