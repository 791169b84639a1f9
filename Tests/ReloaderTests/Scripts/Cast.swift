import Reloader

/// Gives workers the names that scripts use (`slot/generation`; a second worker of that name has `#2`, a third `#3` …),
/// and gives effects their short form.
struct Cast {
    private var names: [WorkerID: String] = [:]
    private var workers: [String: WorkerID] = [:]

    /// Names the worker that this effect starts. One that is asked for again keeps its name.
    mutating func enter(_ effect: Effect) -> WorkerID? {
        guard case .spawn(let id, let slot, let generation) = effect else { return nil }
        if names[id] != nil { return id }
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

    /// The names of the workers for which the condition holds, oldest first.
    func workers(where holds: (WorkerID) -> Bool) -> [String] {
        workers.values.filter(holds).sorted { $0.number < $1.number }.map(name)
    }

    /// What the effect does; nil for a report.
    func action(_ effect: Effect) -> String? {
        switch effect {
        case .spawn(let id, _, _): "spawn \(name(id))"
        case .countPorts(let id): "count-ports \(name(id))"
        case .empty(let id): "empty \(name(id))"
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
        case .worker(let report): return story(report)
        case .roll(let report): return story(report)
        case .recycle(let report): return story(report)
        case .pool(let report): return story(report)
        }
    }

    private func story(_ report: WorkerReport) -> String {
        let name = name(report.id)
        switch report.what {
        case .ready(let after): return "ready \(name) \(after.short)"
        case .draining(let reason): return "draining \(name) \(reason)"
        case .killed(let reason): return "killed \(name) \(reason)"
        case .exited(_, _, let expected): return "exited \(name) \(expected ? "expected" : "unexpected")"
        case .failed(let reason): return "failed \(name) \(short(reason))"
        case .leftoversEnding(let time): return "left-ending \(name) \(time.short)"
        case .leftoversKilled(let reason): return "left-killed \(name) \(reason)"
        case .memoryLimitTooLow(let age, _, let times):
            return "memory-limit-too-low \(name) after \(age.short) times \(times)"
        }
    }

    private func story(_ report: RollReport) -> String {
        switch report {
        case .began(let target, let base, _): return "roll \(target) from \(base)"
        case .slotReplaced(let slot, let generation, let replaced, let workers):
            return "replaced \(slot)/\(generation) \(replaced) of \(workers)"
        case .canaryWaits(let target, let replaced, let workers, let time):
            return "canary-waits \(target) \(replaced) of \(workers) \(time?.short ?? "for-promote")"
        case .promoted(let target, let after): return "promoted \(target) \(after.short)"
        case .done(let target, _, let took): return "roll-done \(target) \(took.short)"
        case .superseded(let target, let newest): return "superseded \(target) by \(newest)"
        case .failed(let target, let base, let slot, _, let reason, let toRevert):
            return "roll-failed \(target) to \(base) slot \(slot) \(short(reason)) revert \(toRevert)"
        case .timedOut(let target, let base, let after, let toRevert):
            return "roll-timed-out \(target) to \(base) \(after.short) revert \(toRevert)"
        case .reverted(let target, let base, let took): return "reverted \(target) to \(base) \(took.short)"
        case .aborted(let target): return "aborted \(target)"
        }
    }

    private func story(_ report: RecycleReport) -> String {
        let (slot, reason) = (report.slot, report.reason)
        switch report.what {
        case .began(let generation): return "recycle \(slot)/\(generation) \(reason)"
        case .done(let generation, let took): return "recycled \(slot)/\(generation) \(reason) \(took.short)"
        case .failed(_, let id, let failure): return "recycle-failed \(name(id)) \(reason) \(short(failure))"
        case .abandoned: return "recycle-abandoned \(slot) \(reason)"
        }
    }

    private func story(_ report: PoolReport) -> String {
        switch report {
        case .ready(let workers, _): return "pool-ready \(workers)"
        case .backoffBegan(let slot, _, let failures): return "backoff \(slot) failures \(failures)"
        case .paused: return "paused"
        case .resumed: return "resumed"
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
    /// `5s`, `250ms`: as a script would write it.
    var short: String {
        let milliseconds = nanoseconds / 1_000_000
        return milliseconds % 1000 == 0 ? "\(milliseconds / 1000)s" : "\(milliseconds)ms"
    }
}
