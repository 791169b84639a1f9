// What clients of the control socket may ask, one function a verb.
internal import Glibc
internal import Reloader

extension Daemon {
    func answer(_ request: ControlRequest, _ client: ControlClient, _ number: Int) throws(ControlError) {
        switch request {
        case .status: control.answer(number, status())
        case .reload(let request): try reload(request, client, number)
        case .history(let limit):
            control.answer(
                number, JSON.result([.init("entries", control.rolls.history.last(limit, changed: changedFiles))]))
        case .events(let follow): tellEvents(client, number, follow: follow)
        case .logs(let slot, let follow): tellLogs(client, number, slot, follow: follow)
        case .scale(let change): control.answer(number, try scale(change))
        case .stop(let mode, let wait): stop(mode, client, number, wait: wait)
        case .pause: control.answer(number, try command(.pause))
        case .resume: control.answer(number, try command(.resume))
        case .promote: control.answer(number, try command(.promote))
        case .restart(let slot, let wait): try restart(slot, client, number, wait: wait)
        case .rollback(let generation, let force, let wait):
            if !force { try refuseRollbackToChanged(generation) }
            try rollback(to: generation, client, number, wait: wait)
        }
    }

    // MARK: verbs

    private func reload(_ request: ReloadRequest, _ client: ControlClient, _ number: Int) throws(ControlError) {
        if pool.isEnding { throw Self.isStopping }
        let watch: RollWatch
        do throws(ReloadRefusal) {
            watch = try reload(ReloadOrder(asker: client.peer.asker, changes: request.changes)) { watch in
                guard request.wait else { return }
                client.task = .roll(generation: watch.generation)
            }
        } catch {
            let reason = JSON.string("\(error)")
            return control.answer(
                number, JSON.result([.init("outcome", .word(RollOutcome.refused)), .init("reason", reason)]))
        }
        if !request.wait { control.answer(number, watch.begun(isPaused: pool.isPaused)) }
    }

    private func tellEvents(_ client: ControlClient, _ number: Int, follow: Bool) {
        for line in control.events.lines { control.follow(number, line) }
        if follow { client.task = .events } else { control.answer(number, JSON.result()) }
    }

    private func tellLogs(_ client: ControlClient, _ number: Int, _ slot: Int?, follow: Bool) {
        if follow {
            let lines = workerLines(slot, atMost: ControlLimits.followedLogLinesMax).map { $0.event.line }
            for line in lastLines(lines, bytesMax: ControlLimits.eventBytesMax) { control.follow(number, line) }
            client.task = .logs(slot: slot)
            return
        }
        let lines = workerLines(slot, atMost: ControlLimits.logLinesMax)
        var members: [JSON.Member] = [.init("lines", .array(lines.map { $0.json }))]
        if settings.output == .inherit {
            let note =
                "--output inherit keeps no lines: they are where the daemon's own output goes (use --output relay)"
            members.append(.init("note", .string(note)))
        }
        control.answer(number, JSON.result(members))
    }

    /// In the order in which they came. Of many workers the last few lines each.
    private func workerLines(_ slot: Int?, atMost linesMax: Int) -> [WorkerLine] {
        func isAsked(_ other: Int) -> Bool { slot == nil || slot == other }
        let ended = control.endedWorkers.values.filter { isAsked($0.slot) }
        let alive = workers.values.filter { isAsked($0.slot) }
        let each = max(1, linesMax / max(1, ended.count + alive.count))
        let lines =
            ended.flatMap { worker in worker.lines.last(each).map { WorkerLine(worker, $0) } }
            + alive.flatMap { worker in worker.lines.last(each).map { WorkerLine(worker, $0) } }
        return lines.sorted { $0.line.number < $1.line.number }
    }

    private func scale(_ change: ScaleChange) throws(ControlError) -> JSON {
        if pool.isEnding { throw Self.isStopping }
        handle(.scale(change))
        return JSON.result([.init("workers", .integer(pool.policy.workers))])
    }

    /// A second graceful stop does not hurry the first: of two people who ask for one neither has asked for that.
    private func stop(_ mode: StopMode, _ client: ControlClient, _ number: Int, wait: Bool) {
        if wait { client.task = .end } else { control.answer(number, JSON.result()) }
        if pool.isEnding, mode == .graceful { return }
        handle(.stop(mode))
    }

    /// One that the core obeys or refuses at once.
    @discardableResult
    private func command(_ event: Event) throws(ControlError) -> JSON {
        if pool.isEnding { throw Self.isStopping }
        control.refusal = nil
        handle(event)
        if let refusal = control.refusal { throw ControlError(.refused, refusal.words) }
        return JSON.result()
    }

    private func restart(_ slot: Int, _ client: ControlClient, _ number: Int, wait: Bool) throws(ControlError) {
        if wait { client.task = .restart(slot: slot) }
        do throws(ControlError) {
            try command(.restart(slot: slot))
        } catch {
            client.task = .none
            throw error
        }
        if !wait { control.answer(number, JSON.result([.init("outcome", .word(RollOutcome.begun))])) }
    }

    private func rollback(
        to generation: Int?, _ client: ControlClient, _ number: Int, wait: Bool
    ) throws(ControlError) {
        control.rollback = (ReloadOrder(asker: client.peer.asker, isRollback: true), wait ? client : nil)
        defer { control.rollback = nil }
        try command(.rollback(to: generation))
        if case .roll = client.task { return }
        // Not waited for; or there already, and no roll was needed.
        if !wait || control.rollback != nil {
            let target = pool.roll?.target ?? pool.settledGeneration
            control.answer(
                number,
                wait
                    ? JSON.result([.init("outcome", .word(RollOutcome.done)), .init("generation", .integer(target))])
                    : RollWatch.begun(generation: target, isPaused: pool.isPaused && pool.roll != nil))
        }
    }

    private static let isStopping = ControlError(.refused, "the pool stops: nothing is started any more")

    // MARK: status

    private func status() -> JSON {
        for id in leaving { workers[id].map(findLeftovers) }
        // What the pool comes back to; what was asked for since may be on its way, or have failed.
        let program = generations[pool.settledGeneration]?.program ?? settings.program
        let usage = PoolUsage(
            of: workersByPID.values.compactMap { workers[$0] }.sorted { $0.id < $1.id }, memoryGauge,
            listeners: listeners.compactMap { $0.inode },
            shared: sharedSockets,
            known: Set(sharing?.listening.flatMap { $0.sockets.map { UInt64($0.inode) } } ?? []), turnBuffer)
        let report = StatusReport(
            pool: pool, now: poolTime, usage: usage, workers: workers, drains: drains, restarts: control.failures,
            failureReasons: control.failureReasons)
        return JSON.result([
            .init(
                "pool",
                [
                    "name": .string(control.name), "pid": .integer(Int(getpid())),
                    "started_at": .string(LogFormatter.timestamp(startedAt)), "program": .string(program.path),
                    "arguments": .array(program.arguments.map { .string($0) }),
                    "workers": .integer(pool.policy.workers), "ready": .integer(pool.totals.serving),
                    "phase": .word(report.phase), "paused": .bool(pool.isPaused), "failing": report.failing,
                    "generation": .integer(pool.settledGeneration), "newest": .integer(pool.newestGeneration),
                    "version": .string(version), "memory_kind": "pss",
                ]),
            .init("roll", report.roll),
            .init("last_reload", control.rolls.last.map { $0.isStart ? .null : $0.summary } ?? .null),
            .init("generations", .array(generationFacts())),
            .init("listeners", .array(ports(usage))),
            .init("slots", report.slots),
            .init("left", report.left),
        ])
    }

    /// All on which the pool can be reached: opened by the daemon, shared by workers, or opened by workers themselves.
    private func ports(_ usage: PoolUsage) -> [JSON] {
        func port(_ address: String, _ kind: PortKind, workers: Int, queue: Int) -> JSON {
            [
                "address": .string(address), "name": .null, "kind": .word(kind), "workers": .integer(workers),
                "queue": .integer(queue),
            ]
        }
        let shared = (sharing?.listening ?? []).map { address, sockets in
            port(
                "\(address)", .shared, workers: Set(sockets.compactMap { $0.owner }).count,
                queue: sockets.reduce(0) { $0 + ($1.queue ?? 0) })
        }
        let own = usage.ownPorts.map { port("\($0.address)", .own, workers: $0.workers.count, queue: $0.queue) }
        return listeners.map { $0.json(queue: usage.queue(of: $0)) } + shared + own
    }

    /// Those that are pinned, and the last one that failed.
    private func generationFacts() -> [JSON] {
        let serving = Set(pool.slots.map { $0.generation })
        var facts = generations.values.map { generation in
            (GenerationFacts(generation), serving.contains(generation.number) ? "serving" : "kept")
        }
        if let last = control.rolls.last, last.failure != nil {
            facts.removeAll { $0.0.number == last.generation }
            facts.append((last.facts, "bad"))
        }
        return facts.sorted { $0.0.number < $1.0.number }.map { $0.json(state: $1) }
    }

    /// With `--balance slot` each worker has its own.
    private var sharedSockets: Set<UInt64> {
        slotListeners == nil ? Set(listeners.compactMap { $0.inode }) : []
    }
}
