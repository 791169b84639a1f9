// What workers do and say. Any word from a worker proves that it runs, even if the answer to its spawn comes later.
extension Pool {
    /// Sends the signal that is owed to a worker that was asked to end before it was known to run.
    mutating func confirmSpawned(_ role: Slot.Role, in slot: Int) {
        guard let worker = slots[slot][role], !worker.isSpawned else { return }
        change(slot) { [now] in $0[role]?.beginToLive(at: now) }
        hasSpawned = true
        switch worker.state {
        case .starting, .ready, .emptying: break
        case .draining(_, _, let reason): sendStop(to: worker, in: slot, reason)
        case .killed: emit(.kill(worker.id))
        }
    }

    mutating func spawnFailed(_ role: Slot.Role, in slot: Int, _ failure: SpawnFailure) {
        let worker = remove(role, from: slot)
        switch role {
        case .draining: lingererEnded(in: slot)
        case .replacement: replacementFailed(worker, in: slot, .spawnFailed(failure))
        case .current:
            if let status = exitStatus(of: failure), !hasSpawned {
                reportFailure(of: worker, in: slot, .spawnFailed(failure))
                endPool(.graceful, status: status)
            } else {
                currentFailed(worker, in: slot, .spawnFailed(failure))
            }
        }
    }

    /// The status that a shell exits with if the program cannot be run; nil if it could be run at another time.
    private func exitStatus(of failure: SpawnFailure) -> Int32? {
        switch failure {
        case .missing: 127
        case .refused: 126
        case .exhausted: nil
        }
    }

    mutating func saidReady(_ role: Slot.Role, in slot: Int) {
        confirmSpawned(role, in: slot)
        becomeReady(role, in: slot)
    }

    /// Each new port restarts the patience with which the remaining ones are awaited.
    mutating func saidListens(_ role: Slot.Role, in slot: Int, onAllExpected: Bool) {
        confirmSpawned(role, in: slot)
        guard let worker = slots[slot][role], worker.readiness == .listening,
            case .starting(let deadline, _) = worker.state
        else { return }
        if onAllExpected { return becomeReady(role, in: slot) }
        change(slot) { [now, policy] in
            $0[role]?.state = .starting(deadline: deadline, awaiting: .ports(now + policy.portsPatience))
        }
    }

    /// The worker seems to have no more ports to open, and may have closed those that it had.
    mutating func countPorts(_ role: Slot.Role, in slot: Int) {
        guard let worker = slots[slot][role], case .starting(let deadline, _) = worker.state else { return }
        change(slot) { $0[role]?.state = .starting(deadline: deadline, awaiting: .count) }
        emit(.countPorts(worker.id))
    }

    /// A worker that has closed all of its ports has not begun to serve.
    mutating func portsCounted(_ role: Slot.Role, in slot: Int, listens: Bool) {
        guard case .starting(let deadline, .count)? = slots[slot][role]?.state else { return }
        if listens { return becomeReady(role, in: slot) }
        change(slot) { $0[role]?.state = .starting(deadline: deadline, awaiting: .word) }
    }

    /// A worker becomes ready by its message, its ports or its age: only once, and only while it is starting.
    mutating func becomeReady(_ role: Slot.Role, in slot: Int) {
        guard let worker = slots[slot][role], case .starting = worker.state else { return }
        change(slot) { [now] in
            $0[role]?.state = .ready(since: now, watchdogAt: worker.watchdog.map { now + $0 })
        }
        report(.ready(after: now - worker.startedAt), of: worker, in: slot)
        handOverIfSoaked(slot)
    }

    mutating func saidAlive(_ role: Slot.Role, in slot: Int) {
        confirmSpawned(role, in: slot)
        guard let worker = slots[slot][role], case .ready(let since, _) = worker.state else { return }
        change(slot) { [now] in
            $0[role]?.state = .ready(since: since, watchdogAt: worker.watchdog.map { now + $0 })
            if worker.isHung { $0[role]?.recycleReason = nil }
        }
    }

    /// Ignored for a replacement: its exit will tell more. A worker that is being emptied gets no stop signal any more:
    /// it might take the signal for a second one and cut its work short.
    mutating func saidStopping(_ role: Slot.Role, in slot: Int) {
        confirmSpawned(role, in: slot)
        guard let worker = slots[slot][role] else { return }
        switch worker.state {
        case .ready(let since, _):
            guard role == .current else { return }
            drain(.current, of: slot, .byItself)
            if isCanary(worker) { return currentFailed(worker, in: slot, .endedAsCanary) }
            workerLost(in: slot, readySince: since)
        case .emptying: endEmptying(role, in: slot, byItself: true)
        case .starting, .draining, .killed: break
        }
    }

    mutating func askedForTime(_ role: Slot.Role, in slot: Int, _ time: Duration) {
        confirmSpawned(role, in: slot)
        change(slot) { [now] in $0[role]?.extendTime(by: time, at: now) }
    }

    /// Ignored for a worker that is about to take its slot: too early. The runtime will say it again.
    mutating func exceedsMemory(_ role: Slot.Role, in slot: Int) {
        guard role == .current, let worker = slots[slot].current, let readySince = worker.state.readySince,
            worker.recycleReason == nil, worker.memoryAt == nil
        else { return }
        if now - readySince >= Policy.memoryYouth { change(slot) { $0.memoryRecycles = 0 } }
        if roll == nil, slots[slot].memoryRecycles > 0 {
            spare(worker, in: slot, readyFor: now - readySince)
        } else {
            change(slot) { $0.current?.recycleReason = .memory }
        }
    }

    /// The worker has used so much from its start, as the one before it did: replacing it at once would help nobody.
    private mutating func spare(_ worker: Worker, in slot: Int, readyFor age: Duration) {
        let times = slots[slot].memoryRecycles
        let backoff = Backoff(base: Policy.memoryBackoffBase, cap: Policy.memoryBackoffCap)
        let delay = backoff.delay(failures: times, random: &random)
        change(slot) { [now] in $0.current?.memoryAt = now + delay }
        report(.memoryLimitTooLow(readyFor: age, delay: delay, times: times), of: worker, in: slot)
    }

    /// The worker's leftovers are dealt with before its end is, because that may start another worker.
    mutating func exited(_ role: Slot.Role, in slot: Int, _ status: ExitStatus, leaves: Bool) {
        hasSpawned = true
        let worker = remove(role, from: slot)
        report(
            .exited(status, lived: now - worker.startedAt, expected: wasAskedToEnd(worker, role)), of: worker, in: slot)
        if leaves { keepLeftovers(of: worker, in: slot) }
        switch role {
        case .draining: lingererEnded(in: slot)
        case .replacement: replacementFailed(worker, in: slot, reason(status, of: worker, ready: .exitedInSoak(status)))
        case .current: currentFailed(worker, in: slot, reason(status, of: worker, ready: .crashed(status)))
        }
    }

    private func wasAskedToEnd(_ worker: Worker, _ role: Slot.Role) -> Bool {
        guard case .draining = role else { return false }
        if case .emptying = worker.state { return false }
        return true
    }

    private func reason(_ status: ExitStatus, of worker: Worker, ready: FailureReason) -> FailureReason {
        worker.state.readySince == nil ? .exitedBeforeReady(status) : ready
    }
}
