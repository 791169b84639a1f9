// The answer to `status`: what the core knows, and what the runtime has measured, side by side.
internal import Glibc
internal import Reloader

struct StatusReport {
    let pool: Pool
    /// On the pool's clock.
    let now: Instant
    let usage: PoolUsage
    let workers: Workers
    let emptyings: Emptyings
    /// How often each slot's worker has failed since the daemon started.
    let restarts: [Int: Int]
    /// Of each slot's last failure, in words.
    let failureReasons: [Int: SlotFailure]

    var roll: JSON {
        guard let roll = pool.roll else { return .null }
        return [
            "target": .integer(roll.target), "base": .integer(pool.settledGeneration),
            "direction": .string(roll.isRevert ? "revert" : "forward"), "replaced": .integer(pool.slotsReplaced),
            "workers": .integer(pool.policy.workers), "since_s": .seconds(now - roll.startedAt),
            "waiting_for": roll.waitsSince == nil ? .null : "promote",
        ]
    }

    var phase: String {
        switch pool.phase {
        case .notStarted, .running: pool.failingSlots.isEmpty ? pool.isPaused ? "paused" : "running" : "failing"
        case .drained: "drained"
        case .stopping, .finished: "stopping"
        }
    }

    /// null while no slot fails.
    var failing: JSON {
        let slots = pool.failingSlots
        if slots.isEmpty { return .null }
        let last = slots.compactMap { slot in failureReasons[slot].map { (slot, $0) } }.max { $0.1.at < $1.1.at }
        return [
            "slots": .integer(slots.count),
            "reason": .optional(last) { slot, failure in .string("slot \(slot): \(failure.reason)") },
        ]
    }

    var slots: JSON { .array(pool.slots.enumerated().map { slot($1, number: $0) }) }

    /// What workers that are gone have left, process by process.
    var left: JSON {
        .array(
            pool.slots.enumerated().flatMap { number, slot in
                slot.leftovers.flatMap { left in
                    (workers[left.id]?.left.living ?? []).map { process($0, of: left, slot: number) }
                }
            })
    }

    private func process(_ process: ProcessIdentity, of left: Reloader.Leftovers, slot: Int) -> JSON {
        [
            "slot": .integer(slot), "generation": .integer(left.generation), "pid": .integer(Int(process.pid)),
            "worker": .optional(workers[left.id]) { .integer(Int($0.pid)) },
            "command": .optional(Asker.command(of: process.pid)) { .string($0) },
            "kill_in_s": .optional(left.killAt) { .seconds($0 - now) },
        ]
    }

    private func slot(_ slot: Slot, number: Int) -> JSON {
        let restarts = restarts[number] ?? 0
        let current = slot.current.map { worker($0, isReplacement: false, restarts) }
        let replacement = slot.replacement.map { worker($0, isReplacement: true, restarts) }
        let draining = slot.draining.map { worker($0, isReplacement: false, restarts) }
        return [
            "slot": .integer(number), "generation": .integer(slot.generation), "failures": .integer(slot.failures),
            "backoff_s": .optional(slot.restartAt) { .seconds($0 - now) },
            "last_failure": .optional(failureReasons[number]) { .string($0.reason) },
            "workers": .array(([current, replacement] + draining).compactMap { $0 ?? nil }),
        ]
    }

    /// nil for one whose spawn is not answered yet.
    private func worker(_ worker: Worker, isReplacement: Bool, _ restarts: Int) -> JSON? {
        guard let process = workers[worker.id] else { return nil }
        let usage = usage[worker.id]
        let (state, since) = state(worker, process, isReplacement: isReplacement)
        return [
            "id": .integer(Int(clamping: worker.id.number)), "pid": .integer(Int(process.pid)),
            "generation": .integer(worker.generation), "state": .string(process.stoppedBy == nil ? state : "stopped"),
            "since_s": .seconds(now - since), "age_s": .seconds(now - worker.startedAt),
            "restarts": .integer(restarts),
            "memory_bytes": .optional(usage.memoryBytes) { .integer($0) },
            "cpu_s": .optional(usage.cpuSeconds) { .number($0) },
            "connections": .optional(usage.connections) { .integer($0) },
            "queue": .optional(usage.queue) { .integer($0) },
            "drain": .optional(emptyings[worker.id], emptying),
            "status": .optional(process.status) { .string($0) },
        ]
    }

    private func emptying(_ emptying: Emptying) -> JSON {
        let now = MonotonicClock.now()
        return [
            "connections": .integer(emptying.connections), "queue": .integer(emptying.waiting),
            "oldest_s": .seconds(now - emptying.startedAt),
            "held_by": .array(
                emptying.holders(atMost: Emptying.holdersShown, at: now).map {
                    ["peer": .string($0.peer), "age_s": .seconds($0.age), "why": .string($0.reason.words)]
                }),
        ]
    }

    private func state(_ worker: Worker, _ process: WorkerProcess, isReplacement: Bool) -> (String, since: Instant) {
        switch worker.state {
        case .starting: ("starting", worker.startedAt)
        case .ready(let since, _): (isReplacement ? "soaking" : "ready", since)
        case .emptying(let since, _, _): ("emptying", since)
        case .draining(let since, _, _): ("draining", since)
        case .killed: ("killed", process.killedAt ?? worker.startedAt)
        }
    }
}
