// What people ask of the pool. A command that makes no sense is refused silently: before the start, a second time,
// after a stop.
extension Pool {
    mutating func start() {
        guard phase == .notStarted else { return }
        phase = .running
        startedAt = now
        generations.record(settledGeneration)
        addSlots(from: 0)
        for slot in 0..<policy.workers { restart(slot) }
    }

    mutating func reload(to generation: Int, under policy: Policy, by plan: RollPlan) {
        guard phase == .running || phase == .drained else { return }
        assert(generation > generations.newest, "generations are counted up")
        guard generation > generations.newest else { return }
        if lacksRoom(for: plan) { return report(.refused(.noRoom)) }

        generations.record(generation)
        let before = self.policy.workers
        self.policy = Self.bounded(policy)
        phase = .running
        resize(from: before)
        supersedeRoll(by: generation)
        beginRoll(to: generation, by: plan)
    }

    mutating func rollBack(to generation: Int?, by plan: RollPlan) {
        if phase == .drained { return report(.refused(.drained)) }
        guard phase == .running else { return }
        guard let target = rollbackTarget(generation) else {
            return report(.refused(.nothingToRollBackTo))
        }
        guard settled.kept.contains(target) else { return report(.refused(.notKept(generation: target))) }
        if lacksRoom(for: plan) { return report(.refused(.noRoom)) }
        supersedeRoll(by: target)
        beginRoll(to: target, by: plan)
    }

    /// The generation that `Event.rollback` would lead to; nil if there is none.
    public func rollbackTarget(_ generation: Int?) -> Int? {
        generation ?? (roll == nil ? settled.previous : settled.current)
    }

    mutating func pause() {
        guard phase == .running || phase == .drained, !isPaused else { return }
        isPaused = true
        report(.paused)
    }

    mutating func resume() {
        guard phase == .running || phase == .drained, isPaused else { return }
        isPaused = false
        report(.resumed)
    }

    mutating func scale(_ change: ScaleChange) {
        guard phase == .running || phase == .drained else { return }
        let before = policy.workers
        policy.workers = Self.workers(after: change, of: before)
        resize(from: before)
        guard phase == .running, before < policy.workers else { return }
        for slot in before..<policy.workers { roll?.reconsider(slot) }
        // A new slot that gets its turn at once needs no worker of the base. What is due at this instant may give it
        // that turn.
        expireDeadlines()
        advanceRoll()
        for slot in before..<policy.workers where slots[slot].isVacant { restart(slot) }
    }

    mutating func drainAll() {
        guard phase == .running else { return }
        phase = .drained
        report(.drainingAll)
        abortRoll()
        dropRecycles()
        for slot in slots.indices { standDown(slot) }
    }

    mutating func stop(_ mode: StopMode) {
        if mode == .graceful, let stopAskedAt, now - stopAskedAt < Policy.sameStop { return }
        if stopAskedAt == nil { stopAskedAt = now }
        switch (phase, mode) {
        case (.notStarted, _), (.running, .graceful), (.drained, .graceful): beginStop(.graceful, status: 0)
        case (.running, .fast), (.drained, .fast): beginStop(.fast, status: 0)
        case (.stopping(.graceful, let status), _): beginStop(.fast, status: status)
        case (.stopping(.fast, _), _), (.finished, _): break
        }
    }

    mutating func beginStop(_ mode: StopMode, status: Int32) {
        report(.stopping(mode))
        endPool(mode, status: status)
    }

    /// Ends the pool with `status` once every worker is gone.
    mutating func endPool(_ mode: StopMode, status: Int32) {
        phase = .stopping(mode, status: status)
        abortRoll()
        dropRecycles()
        for slot in slots.indices {
            switch mode {
            case .graceful: standDown(slot)
            case .fast: killAll(in: slot)
            }
        }
    }

    mutating func finishIfEmpty() {
        guard case .stopping(_, let status) = phase, slotOfWorker.isEmpty, slotOfLeftovers.isEmpty else { return }
        phase = .finished
        emit(.finish(status: status))
    }

    // MARK: the number of slots

    /// Adds or retires slots until there are `policy.workers`. New ones are vacant, of the settled generation.
    private mutating func resize(from before: Int) {
        let after = policy.workers
        guard after != before else { return }
        report(.scaled(from: before, to: after))
        if after > before { addSlots(from: before) }
        for slot in min(before, after)..<slots.count where slot >= after { retire(slot) }
        removeEmptySlots()
    }

    private mutating func addSlots(from first: Int) {
        for slot in first..<policy.workers {
            if slot == slots.count { addSlot(Slot(generation: settledGeneration)) }
            beginAfresh(slot)
        }
    }

    private mutating func retire(_ slot: Int) {
        change(slot) { $0.forgetBackoff() }
        dropRecycle(of: slot)
        drain(.replacement, of: slot, .retired)
        drain(.current, of: slot, .retired)
    }

    private static func workers(after change: ScaleChange, of before: Int) -> Int {
        let wanted: Int
        switch change {
        case .to(let workers): wanted = workers
        case .by(let difference):
            let (sum, overflow) = before.addingReportingOverflow(difference)
            wanted = overflow ? (difference > 0 ? .max : .min) : sum
        }
        return min(max(wanted, 1), Policy.workersMax)
    }
}
