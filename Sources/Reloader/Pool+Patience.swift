// How long what goes on may still take, for an outer supervisor: it would end a daemon that starts, rolls or stops for
// longer than it was told to wait.
extension Pool {
    /// When the start, the roll or the stop that goes on must have taken its next step, or failed, by the pool's own
    /// limits. Each step may move it. nil: nothing goes on; or what goes on has no limit, as a slot that fails at the
    /// start and is tried again for ever, or a canary that waits for a person. O(workers).
    public var busyUntil: Instant? {
        switch phase {
        case .notStarted, .drained, .finished: nil
        case .running where roll == nil: hasBeenReady ? nil : slots.compactMap(startsUntil).max()
        case .running: isPaused || roll?.waitsSince != nil ? nil : slots.compactMap(rollsUntil).max()
        case .stopping: slots.compactMap(endsUntil).max()
        }
    }

    private func startsUntil(_ slot: Slot) -> Instant? {
        slot.failures == 0 ? slot.current?.state.startsUntil : nil
    }

    private func rollsUntil(_ slot: Slot) -> Instant? {
        let retry = slot.retryAt.map { $0 + policy.readyTimeout }
        let current = slot.failures == 0 ? slot.current?.state.startsUntil : nil
        // Before its next worker can start, one that lingers has to end.
        let room = slot.isCrowded ? endsUntil(slot) : nil
        let soaked: Instant? =
            switch slot.replacement?.state {
            case .starting(let deadline, _)?: deadline + soak
            case .ready(let since, _)?: since + soak
            case .emptying?, .draining?, .killed?, nil: nil
            }
        return [retry, current, room, soaked].compactMap { $0 }.max()
    }

    private func endsUntil(_ slot: Slot) -> Instant? {
        let workers = (slot.draining + [slot.current, slot.replacement].compactMap { $0 }).map { worker -> Instant? in
            switch worker.state {
            case .starting(let deadline, _): deadline
            case .emptying(_, let stopAt, _): stopAt + policy.stopTimeout
            case .draining(_, let killAt, _): killAt
            case .ready, .killed: nil
            }
        }
        return (workers + slot.leftovers.map { $0.killAt }).compactMap { $0 }.max()
    }
}

extension WorkerState {
    /// When the worker must be ready, if it starts.
    fileprivate var startsUntil: Instant? {
        if case .starting(let deadline, _) = self { deadline } else { nil }
    }
}
