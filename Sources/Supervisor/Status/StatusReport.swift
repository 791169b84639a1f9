// The answer to `status`: what the core knows beside what the runtime has measured.
internal import Glibc
internal import Reloader

struct StatusReport {
    /// What stays the same while a daemon runs.
    struct Identity {
        let version: String
        /// On the wall clock, for people.
        let startedAt: timespec
    }

    /// How clients call this daemon.
    let name: String
    let identity: Identity
    let pool: Pool
    /// The current time, on the pool's clock.
    let now: Instant
    let usage: PoolUsage
    let releases: Releases
    /// nil: no deploy has ended yet.
    let lastDeploy: Deploy?
    /// The daemon's own listeners.
    let listeners: [Listener]
    /// The sockets by which workers share ports.
    let shared: [(address: SharedAddress, sockets: [SocketRow])]
    let helper: Helper
    let workers: Workers
    let emptyings: Emptyings
    let failures: SlotFailures

    var json: JSON {
        JSON.result([
            .init("pool", poolFacts),
            .init("roll", roll),
            .init("last_reload", lastDeploy.map { $0.isStart ? .null : $0.summary } ?? .null),
            .init("generations", .array(generations)),
            .init("listeners", .array(ports)),
            .init("slots", slots),
            .init("left", left),
        ])
    }

    // MARK: the pool

    private var poolFacts: JSON {
        // The program that the pool would come back to: a newer one may be on its way, or have failed.
        let program = releases[pool.settledGeneration]?.program ?? releases.settings.program
        return [
            "name": .string(name), "pid": .integer(Int(getpid())),
            "started_at": .string(LogFormatter.timestamp(identity.startedAt)), "program": .string(program.path),
            "arguments": .array(program.arguments.map { .string($0) }),
            "workers": .integer(pool.policy.workers), "ready": .integer(pool.totals.serving),
            "phase": .word(PoolPhase(pool)), "paused": .bool(pool.isPaused), "failing": failing,
            "generation": .integer(pool.settledGeneration), "newest": .integer(pool.newestGeneration),
            "version": .string(identity.version), "memory_kind": "pss",
        ]
    }

    private var roll: JSON {
        guard let roll = pool.roll else { return .null }
        return [
            "target": .integer(roll.target), "base": .integer(pool.settledGeneration),
            "direction": .string(roll.isRevert ? "revert" : "forward"), "replaced": .integer(pool.slotsReplaced),
            "workers": .integer(pool.policy.workers), "since_s": .seconds(now - roll.startedAt),
            "waiting_for": roll.waitsSince == nil ? .null : "promote",
        ]
    }

    /// The failing slots; null while none fails.
    private var failing: JSON {
        let slots = pool.failingSlots
        if slots.isEmpty { return .null }
        let reasons = slots.compactMap { slot in failures.last(in: slot).map { (slot, $0) } }
        let last = reasons.max { $0.1.at < $1.1.at }
        return [
            "slots": .integer(slots.count),
            "reason": .optional(last) { slot, failure in .string("slot \(slot): \(failure.reason)") },
        ]
    }

    /// The pinned generations, and the last one that failed.
    private var generations: [JSON] {
        let serving = Set(pool.slots.map { $0.generation })
        var facts = releases.all.map { generation in
            (GenerationFacts(generation), serving.contains(generation.number) ? "serving" : "kept")
        }
        if let last = lastDeploy, last.failure != nil {
            facts.removeAll { $0.0.number == last.generation }
            facts.append((last.facts, "bad"))
        }
        return facts.sorted { $0.0.number < $1.0.number }.map(generation)
    }

    private func generation(_ facts: GenerationFacts, state: String) -> JSON {
        [
            "number": .integer(facts.number), "executable": .string(facts.executable),
            "working_directory": .string(facts.workingDirectory),
            "made_at": .string(LogFormatter.timestamp(facts.madeAt)), "state": .string(state),
            "note": .optional(facts.note) { .string($0) },
            "changed_files": .array(facts.changedFiles.map { .string($0) }),
        ]
    }

    /// All ports on which the pool can be reached: opened by the daemon, shared by workers, or opened by workers
    /// themselves.
    private var ports: [JSON] {
        func port(_ address: String, _ kind: PortKind, workers: Int, queue: Int) -> JSON {
            [
                "address": .string(address), "name": .null, "kind": .word(kind), "workers": .integer(workers),
                "queue": .integer(queue),
            ]
        }
        let shared = shared.map { address, sockets in
            port(
                "\(address)", .shared, workers: Set(sockets.compactMap { $0.owner?.id }).count,
                queue: sockets.reduce(0) { $0 + usage.queue(of: $1, helper.held[$1.inode]) })
        }
        let own = usage.ownPorts.map { port("\($0.address)", .own, workers: $0.workers.count, queue: $0.queue) }
        return listeners.map(listener) + shared + own
    }

    private func listener(_ listener: Listener) -> JSON {
        [
            "address": .string(listener.label), "name": .optional(listener.name) { .string($0) },
            "kind": .word(PortKind.listen),
            "queue": .optional(usage.queue(of: listener)) { .integer($0) },
        ]
    }

    // MARK: slots and their workers

    private var slots: JSON { .array(pool.slots.enumerated().map { slot($1, number: $0) }) }

    /// The processes that workers have left behind.
    private var left: JSON {
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
            "command": .optional(command(of: process.pid)) { .string($0) },
            "kill_in_s": .optional(left.killAt) { .seconds($0 - now) },
        ]
    }

    /// The command line, or the short name if that can't be seen now.
    private func command(of pid: Int32) -> String? {
        (helper.text(.command(pid)) ?? ProcessTree.name(of: pid).map { String($0) }).map { printable($0) }
    }

    private func slot(_ slot: Slot, number: Int) -> JSON {
        let restarts = failures.count(in: number)
        let current = slot.current.map { worker($0, isReplacement: false, restarts) }
        let replacement = slot.replacement.map { worker($0, isReplacement: true, restarts) }
        let draining = slot.draining.map { worker($0, isReplacement: false, restarts) }
        return [
            "slot": .integer(number), "generation": .integer(slot.generation), "failures": .integer(slot.failures),
            "backoff_s": .optional(slot.restartAt) { .seconds($0 - now) },
            "last_failure": .optional(failures.last(in: number)) { .string($0.reason) },
            "workers": .array(([current, replacement] + draining).compactMap { $0 ?? nil }),
        ]
    }

    /// The facts about a worker; nil while its process is still being spawned.
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

    private func emptying(_ emptying: Emptyings.Emptying) -> JSON {
        let now = MonotonicClock.now()
        return [
            "connections": .integer(emptying.last.connections), "queue": .integer(emptying.last.waiting),
            "oldest_s": .seconds(now - emptying.startedAt),
            "held_by": .array(
                emptying.last.holders.map {
                    ["peer": .string($0.peer), "age_s": .seconds($0.age(at: now)), "why": .string($0.reason)]
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

extension PoolPhase {
    init(_ pool: borrowing Pool) {
        switch pool.phase {
        case .notStarted, .running: self = pool.failingSlots.isEmpty ? pool.isPaused ? .paused : .running : .failing
        case .drained: self = .drained
        case .stopping, .finished: self = .stopping
        }
    }
}
