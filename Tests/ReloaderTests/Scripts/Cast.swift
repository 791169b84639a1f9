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
        case .crashed: "crashed"
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
