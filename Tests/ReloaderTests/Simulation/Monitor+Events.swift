import Reloader

/// What each event means, and what it makes the pool owe within the same step.
extension Monitor {
    mutating func observe(_ event: Event, now: Instant) {
        step = Step(event: event, now: now, startedBefore: workers.count)
        if slotsAtGoal < canarySize || inFlight > 0 { waitsSince = nil }
        switch event {
        case .start, .deadline: break
        case .reload(let generation, let policy, _): reloaded(generation, policy)
        case .rollback(let generation, _): rolledBack(generation)
        case .promote: promoted()
        case .pause: paused(true)
        case .resume: paused(false)
        case .restart(let slot): askedForRestart(slot)
        case .overMemory(let id):
            if let index = index(of: id) { takesTooMuch(index) }
        case .scale(let change): scaled(change)
        case .drainAll: drainedAll()
        case .stop(let mode): stopped(mode)
        case .spawned(let id): _ = heard(id)
        case .spawnFailed(let id, let failure): spawnFailed(id, failure)
        case .ready(let id):
            if let index = heard(id), workers[index].isActive, workers[index].readySince == nil { step.owedReady = id }
        case .listens(let id, let isAll):
            if let index = heard(id) { listens(index, onAll: isAll) }
        case .portsCounted(let id, let listens):
            if let index = index(of: id) { portsCounted(index, listens) }
        case .heartbeat(let id):
            if let index = heard(id), workers[index].isReady { hasPinged(index) }
        case .stopping(let id): saidStopping(id)
        case .extendTimeout(let id, let time): askedForTime(id, time)
        case .emptied(let id):
            if let index = index(of: id), workers[index].isBeingEmptied { step.owedStopSignal = id }
        case .exited(let id, _, let leaves): exited(id, leaves: leaves)
        case .leftoversGone(let id): leftoversGone(id)
        case .overslept: grantTimeAgain()
        case .takenOver: takenOver()
        }
        noteSilence()
    }

    /// A worker that is silent or already to be recycled needs no other reason.
    private mutating func takesTooMuch(_ index: Int) {
        let worker = workers[index]
        guard let readySince = worker.readySince, worker.isReady, !worker.isInFlight, worker.hungSince == nil else {
            return
        }
        guard !worker.isOverMemory, worker.memoryAt == nil else { return }
        // Within these bounds only the pool knows when its age makes it due.
        let mayBeOld = worker.ageLimits.map { $0.earliest <= now } ?? false
        let isYoung = now - readySince < Policy.memoryYouth
        if !isYoung, !mayBeOld { seats[worker.slot].memoryRecycles = 0 }
        if isYoung, course == .none, seats[worker.slot].memoryRecycles > 0 {
            step.owedSparing = worker.id
        } else {
            workers[index].isOverMemory = true
        }
    }

    private mutating func listens(_ index: Int, onAll isAll: Bool) {
        guard workers[index].awaitsPorts else { return }
        if isAll { return step.owedReady = workers[index].id }
        workers[index].portsCountedAt = now + policy.portsPatience
        workers[index].isCounted = false
    }

    private mutating func portsCounted(_ index: Int, _ listens: Bool) {
        guard workers[index].awaitsPorts, workers[index].isCounted else { return }
        workers[index].isCounted = false
        if listens { step.owedReady = workers[index].id }
    }

    private mutating func hasPinged(_ index: Int) {
        workers[index].lastSign = now
        if workers[index].hungSince == nil { return }
        workers[index].hungSince = nil
        // Any other reason to recycle it has been forgotten; the runtime will say it again.
        workers[index].isOverMemory = false
    }

    /// Workers on trial are not marked as hung: they are killed.
    mutating func noteSilence() {
        for index in live where workers[index].isReady && workers[index].hungSince == nil {
            guard !isOnTrial(workers[index]), workers[index].isSilent(at: now) else { continue }
            workers[index].hungSince = now
            step.foundSilent.insert(workers[index].id)
        }
    }

    /// Any word proves that the worker runs. nil: the worker is gone.
    private mutating func heard(_ id: WorkerID) -> Int? {
        guard let index = index(of: id), !workers[index].isGone else { return nil }
        if !workers[index].isAnswered {
            workers[index].live(at: now)
            step.firstAnswer = id
            anyAnswered = true
        }
        return index
    }

    private mutating func reloaded(_ generation: Int, _ policy: Policy) {
        guard phase == .running || phase == .drained else { return }
        newest = generation
        resize(to: policy.workers)
        self.policy = policy
        kept = Array(kept.suffix(policy.generationsKept))
        phase = .running
    }

    private mutating func rolledBack(_ generation: Int?) {
        if phase == .drained { step.owedRefusal = .drained }
        guard phase == .running else { return }
        let previous = course != .none ? settled : kept.count > 1 ? kept[kept.count - 2] : nil
        if let target = generation ?? previous {
            if kept.contains(target) { step.owedRoll = target } else { step.owedRefusal = .notKept(generation: target) }
        } else {
            step.owedRefusal = .nothingToRollBackTo
        }
    }

    private mutating func promoted() {
        guard phase == .running || phase == .drained else { return }
        guard case .forward(let target) = course, let waitsSince else { return step.owedRefusal = .noCanaryWaits }
        step.owedWord = .roll(.promoted(target: target, after: now - waitsSince))
    }

    private mutating func paused(_ isPaused: Bool) {
        guard phase == .running || phase == .drained, self.isPaused != isPaused else { return }
        self.isPaused = isPaused
        step.owedWord = .pool(isPaused ? .paused : .resumed)
    }

    private mutating func askedForRestart(_ slot: Int) {
        if phase == .drained { step.owedRefusal = .drained }
        guard phase == .running else { return }
        if slot < 0 || slot >= size {
            step.owedRefusal = .noSuchSlot(slot)
        } else if course != .none {
            step.owedRefusal = .rollUnderWay(slot: slot)
        } else if recycling?.slot != slot, !askedRestarts.contains(slot) {
            askedRestarts.append(slot)
        }
    }

    private mutating func scaled(_ change: ScaleChange) {
        guard phase == .running || phase == .drained else { return }
        switch change {
        case .to(let workers): resize(to: min(max(workers, 1), 4096))
        case .by(let difference): resize(to: min(max(size + difference, 1), 4096))
        }
    }

    private mutating func resize(to workers: Int) {
        if workers != size { step.scaledFrom = size }
        for slot in workers..<max(workers, size) {
            if any(in: slot, { $0.isReady }) { lost += 1 }
            letGoSilently { $0.slot == slot }
        }
        seats = Array(seats.prefix(workers))
        while seats.count < workers { seats.append(Seat(generation: settled)) }
        policy.workers = workers
        if course != .none { surgeMax = max(surgeMax, surge) }
    }

    /// The pool lets these workers go. A worker that is not known to run yet hears of it later; a worker that the
    /// watchdog has killed never does.
    mutating func letGoSilently(_ who: (Facts) -> Bool) {
        for index in live where who(workers[index]) {
            guard !workers[index].isAnswered || workers[index].killedAt != nil else { continue }
            workers[index].hasLeft = true
            workers[index].isVague = !workers[index].isAnswered
        }
    }

    private mutating func drainedAll() {
        guard phase == .running else { return }
        phase = .drained
        standDown()
    }

    mutating func standDown() {
        if isReverting { course = .none }
        for slot in seats.indices { seats[slot] = Seat(generation: settled) }
        letGoSilently { _ in true }
    }

    private mutating func stopped(_ mode: StopMode) {
        if mode == .graceful, let stopAskedAt, now - stopAskedAt < .milliseconds(500) { return }
        stopAskedAt = stopAskedAt ?? now
        switch phase {
        case .running, .drained: phase = .stopping(mode, status: 0)
        case .stopping(.graceful, let status): phase = .stopping(.fast, status: status)
        case .stopping(.fast, _), .finished: return
        }
        standDown()
    }

    private mutating func spawnFailed(_ id: WorkerID, _ failure: SpawnFailure) {
        guard let index = index(of: id), !workers[index].isGone else { return }
        let inOffice = workers[index].isInOffice
        if workers[index].isReady { lost += 1 }
        leave(index)
        guard inOffice else {
            step.relievedSlots.insert(workers[index].slot)
            return
        }
        step.owedFailure = id
        if !workers[index].isInFlight, !anyAnswered, failure != .exhausted {
            phase = .stopping(.graceful, status: failure == .missing ? 127 : 126)
            standDown()
        }
    }

    private mutating func saidStopping(_ id: WorkerID) {
        guard let index = heard(id) else { return }
        if workers[index].isReady, !workers[index].isInFlight { step.owedStopping = id }
        guard workers[index].isBeingEmptied else { return }
        workers[index].emptyUntil = nil
        workers[index].saidStopping = true
        workers[index].limit = now + policy.stopTimeout
    }

    private mutating func askedForTime(_ id: WorkerID, _ time: Duration) {
        guard let index = heard(id), workers[index].killedAt == nil, !workers[index].isBeingEmptied else { return }
        guard workers[index].hasLeft || workers[index].readySince == nil else { return }
        workers[index].limit = max(workers[index].limit, now + time)
    }

    private mutating func exited(_ id: WorkerID, leaves: Bool) {
        guard let index = index(of: id), !workers[index].isGone else { return }
        anyAnswered = true
        let inOffice = workers[index].isInOffice
        if workers[index].isReady { lost += 1 }
        step.owedExit = id
        if leaves { leaveBehind(index) }
        step.exitExpected = !inOffice && !workers[index].isBeingEmptied
        leave(index)
        if inOffice { step.owedFailure = id } else { step.relievedSlots.insert(workers[index].slot) }
    }

    mutating func leave(_ index: Int) {
        workers[index].isGone = true
        live.removeAll { $0 == index }
    }
}
