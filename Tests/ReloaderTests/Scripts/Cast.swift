import Reloader

/// Gives workers the names that scripts use (`slot/generation`, from the second of that name on with `#2`, `#3` …), and
/// effects their short form.
struct Cast {
    private var names: [WorkerID: String] = [:]
    private var workers: [String: WorkerID] = [:]

    /// Names the worker that this effect starts.
    mutating func enter(_ effect: Effect) -> WorkerID? {
        guard case .spawn(let id, let slot, let generation) = effect else { return nil }
        let base = "\(slot)/\(generation)"
        var name = base
        var count = 1
        while workers[name] != nil {
            count += 1
            name = "\(base)#\(count)"
        }
        names[id] = name
        workers[name] = id
        return id
    }

    func worker(_ name: String) -> WorkerID? { workers[name] }

    /// The names of those that it holds for, oldest first.
    func workers(where holds: (WorkerID) -> Bool) -> [String] {
        workers.values.filter(holds).sorted { $0.number < $1.number }.map(name)
    }

    /// What the effect does; nil for a report.
    func action(_ effect: Effect) -> String? {
        switch effect {
        case .spawn(let id, _, _): "spawn \(name(id))"
        case .drain(let id): "drain \(name(id))"
        case .terminate(let id): "term \(name(id))"
        case .kill(let id): "kill \(name(id))"
        case .terminateLeftovers(let id): "term-left \(name(id))"
        case .killLeftovers(let id): "kill-left \(name(id))"
        case .release(let generation): "release \(generation)"
        case .finish(let status): "finish \(status)"
        case .report: nil
        }
    }

    /// What the report tells; nil for an action.
    func story(_ effect: Effect) -> String? {
        guard case .report(let report) = effect else { return nil }
        switch report {
        case .workerReady(let id, _, _, let after): return "ready \(name(id)) \(after.short)"
        case .workerDraining(let id, _, _, let reason): return "draining \(name(id)) \(reason)"
        case .workerKilled(let id, _, _, let reason): return "killed \(name(id)) \(reason)"
        case .workerExited(let id, _, _, _, _, let expected):
            return "exited \(name(id)) \(expected ? "expected" : "unexpected")"
        case .leftoversEnding(let id, _, _, let time): return "left-ending \(name(id)) \(time.short)"
        case .leftoversKilled(let id, _, _, let reason): return "left-killed \(name(id)) \(reason)"
        case .workerFailed(let id, _, _, let reason): return "failed \(name(id)) \(short(reason))"
        case .backoffBegan(let slot, _, let failures): return "backoff \(slot) failures \(failures)"
        case .poolReady(let workers, _): return "pool-ready \(workers)"
        case .rollBegan(let target, let base, _): return "roll \(target) from \(base)"
        case .slotReplaced(let slot, let generation, let replaced, let workers):
            return "replaced \(slot)/\(generation) \(replaced) of \(workers)"
        case .rollSuperseded(let target, let newest): return "superseded \(target) by \(newest)"
        case .rollFailed(let target, let base, let slot, _, let reason, let toRevert):
            return "roll-failed \(target) to \(base) slot \(slot) \(short(reason)) revert \(toRevert)"
        case .rollReverted(let target, let base, let took): return "reverted \(target) to \(base) \(took.short)"
        case .rollDone(let target, _, let took): return "roll-done \(target) \(took.short)"
        case .rollAborted(let target): return "aborted \(target)"
        case .rollTimedOut(let target, let base, let after, let toRevert):
            return "roll-timed-out \(target) to \(base) \(after.short) revert \(toRevert)"
        case .canaryWaits(let target, let replaced, let workers, let time):
            return "canary-waits \(target) \(replaced) of \(workers) \(time?.short ?? "for-promote")"
        case .promoted(let target, let after): return "promoted \(target) \(after.short)"
        case .paused: return "paused"
        case .resumed: return "resumed"
        case .recycleBegan(let slot, let generation, let reason): return "recycle \(slot)/\(generation) \(reason)"
        case .recycleDone(let slot, let generation, let reason, let took):
            return "recycled \(slot)/\(generation) \(reason) \(took.short)"
        case .recycleFailed(_, _, let id, let reason, let failure):
            return "recycle-failed \(name(id)) \(reason) \(short(failure))"
        case .recycleAbandoned(let slot, let reason): return "recycle-abandoned \(slot) \(reason)"
        case .memoryLimitTooLow(let id, _, _, let age, _, let times):
            return "memory-limit-too-low \(name(id)) after \(age.short) times \(times)"
        case .refused(let refusal): return "refused \(short(refusal))"
        case .scaled(let before, let after): return "scaled \(before) to \(after)"
        case .drainingAll: return "draining-all"
        case .stopping(let mode): return "stopping \(mode)"
        case .gaveUp(let failures, let period): return "gave-up \(failures) in \(period.short)"
        }
    }

    func describe(_ effect: Effect) -> String { action(effect) ?? story(effect) ?? "" }

    private func name(_ id: WorkerID) -> String { names[id] ?? "\(id)" }

    private func short(_ reason: FailureReason) -> String {
        switch reason {
        case .spawnFailed(let failure): "spawn-\(failure)"
        case .exitedBeforeReady: "exited-before-ready"
        case .readyTimedOut(let after): "timed-out \(after.short)"
        case .exitedInSoak: "exited-in-soak"
        case .endedAsCanary: "ended-as-canary"
        case .silent(let time): "silent \(time.short)"
        case .crashed: "crashed"
        }
    }

    private func short(_ refusal: Refusal) -> String {
        switch refusal {
        case .noCanaryWaits: "no-canary-waits"
        case .notKept(let generation): "not-kept \(generation)"
        case .nothingToRollBackTo: "nothing-to-roll-back-to"
        case .noSuchSlot(let slot): "no-slot \(slot)"
        case .rollUnderWay(let slot): "roll-under-way \(slot)"
        case .drained: "drained"
        }
    }
}

extension Duration {
    /// `5s`, `250ms`: what a script would write.
    var short: String {
        let milliseconds = nanoseconds / 1_000_000
        return milliseconds % 1000 == 0 ? "\(milliseconds / 1000)s" : "\(milliseconds)ms"
    }
}
