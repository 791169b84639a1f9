import Reloader

/// Checks that each effect is right when it comes.
extension Monitor {
    mutating func take(_ effect: Effect) throws(Violation) {
        try require(phase != .finished, .stops, "an effect after the end: \(effect)")
        if let place = step.owedAgain.firstIndex(of: effect) {
            step.owedAgain.remove(at: place)
            return
        }
        if let announced = step.announced {
            try require(effect == announced, .signals, "\(announced) is due at once, but \(effect) comes")
        }
        switch effect {
        case .spawn(let id, let slot, let generation): try spawn(id, slot, generation)
        case .countPorts(let id): try countPorts(id)
        case .empty(let id): try empty(id)
        case .terminate(let id): try terminate(id)
        case .kill(let id): try kill(id)
        case .terminateLeftovers(let id): try terminateLeftovers(id)
        case .killLeftovers(let id): try killLeftovers(id)
        case .release(let generation): try release(generation)
        case .finish(let status): try finish(status)
        case .report(let report): try take(report)
        }
    }

    // MARK: spawn

    private mutating func spawn(_ id: WorkerID, _ slot: Int, _ generation: Int) throws(Violation) {
        try require(phase == .running, .stops, "\(id) is started in a pool that is \(phase)")
        try require(Int(id.number) == workers.count + 1, .story, "\(id) is not the next number")
        try require(slot >= 0 && slot < size, .limit, "\(id) is started in slot \(slot) of \(size)")
        try require(!released.contains(generation), .release, "\(id): generation \(generation) was released")

        let isInFlight = try checkRole(id, slot, generation)
        let others = workers[step.startedBefore...].filter { $0.slot == slot }
        let isSecond = others.contains { $0.isInFlight == isInFlight }
        try require(!isSecond, .backoff, "slot \(slot) starts two workers in one role in one step")
        if case .scale = step.event { try require(others.isEmpty, .backoff, "slot \(slot) starts two workers at once") }
        try checkRoom(id, slot)
        if isInFlight, let retryAt = seats[slot].retryAt, recycling?.reason != .asked {
            try require(retryAt <= now, .backoff, "\(id): slot \(slot) tries again \(retryAt - now) too early")
        }
        if let restartAt = seats[slot].restartAt, restartAt > now {
            let isTurn = isInFlight && !isReverting
            try require(isTurn, .backoff, "\(id): slot \(slot) starts \(restartAt - now) too early")
        }
        seats[slot].restartAt = nil
        live.append(workers.count)
        workers.append(
            Facts(
                id: id, slot: slot, generation: generation, startedAt: now, policy: policy, isInFlight: isInFlight))
    }

    /// Checks whether the worker restarts the slot's own generation or replaces it by the roll's goal. Returns true for
    /// the latter.
    private mutating func checkRole(_ id: WorkerID, _ slot: Int, _ generation: Int) throws(Violation) -> Bool {
        let isVacant = !any(in: slot) { $0.isInOffice && $0.isAnswered }
        let own = seats[slot].generation
        if let recycling, recycling.slot == slot, !recycling.isStarted {
            try require(generation == own, .recycle, "\(id): slot \(slot) of \(own) is recycled with \(generation)")
            self.recycling?.isStarted = true
            return true
        }
        if generation == own, own == goal || !isReverting {
            try require(isVacant, .backoff, "\(id): slot \(slot) has a worker of its generation \(own)")
            return false
        }
        try require(
            course != .none && generation == goal, isReverting ? .reverts : .story,
            "\(id): generation \(generation) is started in slot \(slot) of \(own), the goal is \(goal)")
        let inFlight = any(in: slot) { $0.isInFlight && $0.isInOffice && $0.isAnswered }
        try require(!inFlight, .backoff, "\(id): slot \(slot) has a replacement")
        try checkTurn(id, slot, isVacant: isVacant)
        return true
    }

    /// A slot without a worker need not wait for its turn if the roll begins or is reverted, or if the slot only waited
    /// for a lingering worker. Otherwise it is the first to have a turn.
    private func checkTurn(_ id: WorkerID, _ slot: Int, isVacant: Bool) throws(Violation) {
        try require(
            room > 0, .trial, "\(id): the roll takes slot \(slot); \(slotsAtGoal) are replaced, \(inFlight) in flight")
        if isVacant, step.rollBegan || isReverting || step.relievedSlots.contains(slot) { return }
        try require(inFlight < surge, .limit, "\(id): \(inFlight) in flight already, surge \(surge)")
        if isVacant || isReverting { return }
        for other in seats.indices where seats[other].restartAt != nil && seats[other].generation != goal {
            if seats[other].retryAt.map({ $0 > now }) ?? false { continue }
            let isEmpty = !any(in: other) { $0.isInOffice || !$0.isAnswered }
            let isCrowded = count { $0.slot == other } + remains(of: other) >= Policy.lingeringMax
            try require(!isEmpty || isCrowded, .capacity, "slot \(slot) has its turn before the empty slot \(other)")
        }
    }

    private func checkRoom(_ id: WorkerID, _ slot: Int) throws(Violation) {
        let lingering = lingering(in: slot)
        try require(lingering < Policy.lingeringMax, .limit, "\(id): \(lingering) linger in slot \(slot)")
        let all = count { $0.slot == slot } + remains(of: slot)
        try require(all <= Policy.lingeringMax, .limit, "\(id): slot \(slot) has \(all) processes already")
    }

    private mutating func countPorts(_ id: WorkerID) throws(Violation) {
        guard let index = index(of: id), workers[index].awaitsPorts, let end = workers[index].portsCountedAt else {
            throw Violation(.listening, "the ports of \(id) are counted, but nobody waits for them")
        }
        try require(end <= now, .listening, "the ports of \(id) are counted \(end - now) too early")
        workers[index].portsCountedAt = nil
        workers[index].isCounted = true
    }

    // MARK: signals

    private mutating func empty(_ id: WorkerID) throws(Violation) {
        try require(step.announced == .empty(id), .signals, "\(id) is emptied unannounced")
        step.announced = nil
        guard let index = index(of: id), case .outside(let timeout) = policy.drain else { return }
        let worker = workers[index]
        try require(!worker.isGone && worker.isAnswered, .signals, "\(id) is emptied but is not there")
        try require(!worker.wasEmptied, .signals, "\(id) is emptied a second time")
        try require(worker.terminatedAt == nil, .signals, "\(id) is emptied after its stop signal")
        try require(worker.killedAt == nil && !worker.saidStopping, .signals, "\(id) is emptied while it ends")
        workers[index].wasEmptied = true
        workers[index].emptyUntil = now + timeout
    }

    private mutating func terminate(_ id: WorkerID) throws(Violation) {
        guard let index = index(of: id) else { throw Violation(.signals, "\(id) gets a stop signal but is not there") }
        let worker = workers[index]
        if let end = worker.emptyUntil {
            let isEmpty = step.event == .emptied(id)
            try require(isEmpty || end <= now, .signals, "\(id) gets its stop signal \(end - now) too early")
            workers[index].emptyUntil = nil
            workers[index].limit = now + policy.stopTimeout
            if step.owedStopSignal == id { step.owedStopSignal = nil }
        } else {
            try require(step.announced == .terminate(id), .signals, "\(id) gets an unannounced stop signal")
            step.announced = nil
        }
        try require(!worker.isGone, .signals, "\(id) gets a stop signal after its exit")
        try require(worker.isAnswered, .signals, "\(id) gets a stop signal before its spawn is answered")
        try require(worker.terminatedAt == nil, .signals, "\(id) gets a second stop signal")
        try require(!worker.saidStopping, .signals, "\(id) gets a stop signal while it stops by itself")
        try require(worker.killedAt == nil, .signals, "\(id) gets a stop signal after SIGKILL")
        workers[index].terminatedAt = now
    }

    private mutating func kill(_ id: WorkerID) throws(Violation) {
        guard let index = index(of: id) else { throw Violation(.signals, "\(id) gets SIGKILL but is not there") }
        try require(!workers[index].isGone, .signals, "\(id) gets SIGKILL after its exit")
        try require(workers[index].isAnswered, .signals, "\(id) gets SIGKILL before its spawn is answered")
        try require(workers[index].killedAt == nil, .signals, "\(id) gets a second SIGKILL")
        try require(step.announcedKill == id || workers[index].isVague, .signals, "\(id) gets an unannounced SIGKILL")
        workers[index].killedAt = now
    }

    // MARK: the ends

    private mutating func release(_ generation: Int) throws(Violation) {
        try require(released.insert(generation).inserted, .release, "\(generation) is released twice")
        try require(generation <= newest, .release, "\(generation) is released before it was made")
        let isServed = generation == goal || seats.contains { $0.generation == generation }
        let isNeeded = isServed || kept.contains(generation)
        try require(!isNeeded, .release, "\(generation) is released while it is needed")
    }

    private mutating func finish(_ status: Int32) throws(Violation) {
        guard case .stopping(_, let expected) = phase else { throw Violation(.stops, "the end comes without a stop") }
        try require(status == expected, .stops, "the status is \(status) instead of \(expected)")
        try require(live.isEmpty, .stops, "the end comes before \(live.count) workers are gone")
        try require(
            remains.isEmpty, .leftovers, "the end comes before the leftovers of \(remains.count) workers are gone")
        phase = .finished
    }
}
