// What clients of the control socket may ask, one function a verb.
internal import Glibc
internal import Reloader

extension Daemon {
    func answer(_ request: ControlRequest, _ client: ControlClient) throws(ControlError) {
        switch request {
        case .status: control.answer(client, status())
        case .reload(let request): try reload(request, client)
        case .history(let limit):
            control.answer(
                client, JSON.result([.init("entries", control.rolls.history.last(limit, changed: changedFiles))]))
        case .events(let follow): tellEvents(client, follow: follow)
        case .logs(let slot, let follow): tellLogs(client, slot, follow: follow)
        case .scale(let change): control.answer(client, try scale(change))
        case .stop(let mode, let wait): stop(mode, client, wait: wait)
        case .pause: control.answer(client, try command(.pause))
        case .resume: control.answer(client, try command(.resume))
        case .promote: control.answer(client, try command(.promote))
        case .restart(let slot, let wait): try restart(slot, client, wait: wait)
        case .rollback(let generation, let force, let wait):
            if !force { try refuseRollbackToChanged(generation) }
            try rollback(to: generation, client, wait: wait)
        }
    }

    // MARK: verbs

    private func reload(_ request: ReloadRequest, _ client: ControlClient) throws(ControlError) {
        let watch: RollWatch
        do throws(ReloadRefusal) {
            watch = try reload(ReloadOrder(asker: client.peer.asker, changes: request.changes)) { watch in
                guard request.wait else { return }
                client.task = .roll(generation: watch.generation)
            }
        } catch {
            if case .ending = error { throw Self.isStopping }
            let reason = JSON.string("\(error)")
            return control.answer(client, JSON.result([.init("outcome", "refused"), .init("reason", reason)]))
        }
        if !request.wait { control.answer(client, watch.begun(isPaused: pool.isPaused)) }
    }

    private func tellEvents(_ client: ControlClient, follow: Bool) {
        // What those who follow already have not heard yet is in these lines too.
        control.tellFollowers(story.takeNews())
        for line in story.recentLines(bytesMax: ControlLimits.eventBytesMax) { control.follow(client, line) }
        if follow { client.task = .events } else { control.answer(client, JSON.result()) }
        story.isFollowed = control.hasEventFollowers
    }

    private func tellLogs(_ client: ControlClient, _ slot: Int?, follow: Bool) {
        if follow {
            // What those who follow already have not heard yet is in these lines too.
            control.tellFollowers(output.takeNews())
            output.isFollowed = true
            let lines = workerLines(slot, atMost: ControlLimits.followedLogLinesMax).map { $0.event.line }
            for line in lastLines(lines, bytesMax: ControlLimits.eventBytesMax) { control.follow(client, line) }
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
        control.answer(client, JSON.result(members))
    }

    private func workerLines(_ slot: Int?, atMost linesMax: Int) -> [WorkerLine] {
        output.lastLines(of: slot, workers.all.map { $0.output }, atMost: linesMax)
    }

    private func scale(_ change: ScaleChange) throws(ControlError) -> JSON {
        if pool.isEnding { throw Self.isStopping }
        handle(.scale(change))
        return JSON.result([.init("workers", .integer(pool.policy.workers))])
    }

    /// A second graceful stop does not hurry the first: of two people who ask for one neither has asked for that.
    private func stop(_ mode: StopMode, _ client: ControlClient, wait: Bool) {
        if wait { client.task = .end } else { control.answer(client, JSON.result()) }
        if pool.isEnding, mode == .graceful { return }
        handle(.stop(mode))
    }

    /// One that the core obeys or refuses at once.
    @discardableResult
    private func command(_ event: Event) throws(ControlError) -> JSON {
        if pool.isEnding { throw Self.isStopping }
        for case .pool(.refused(let refusal)) in handle(event) { throw ControlError(.refused, refusal.words) }
        return JSON.result()
    }

    private func restart(_ slot: Int, _ client: ControlClient, wait: Bool) throws(ControlError) {
        if wait { client.task = .restart(slot: slot) }
        do throws(ControlError) {
            try command(.restart(slot: slot))
        } catch {
            client.task = .none
            throw error
        }
        if !wait { control.answer(client, JSON.result([.init("outcome", "begun")])) }
    }

    private func rollback(
        to generation: Int?, _ client: ControlClient, wait: Bool
    ) throws(ControlError) {
        control.rollback = (ReloadOrder(asker: client.peer.asker, isRollback: true), wait ? client : nil)
        defer { control.rollback = nil }
        try command(.rollback(to: generation))
        if case .roll = client.task { return }
        // Not waited for; or there already, and no roll was needed.
        if !wait || control.rollback != nil {
            let target = pool.roll?.target ?? pool.settledGeneration
            control.answer(
                client,
                wait
                    ? JSON.result([.init("outcome", "done"), .init("generation", .integer(target))])
                    : RollWatch.begun(generation: target, isPaused: pool.isPaused && pool.roll != nil))
        }
    }

    private static let isStopping = ControlError(.refused, "\(ReloadRefusal.ending)")

    // MARK: status

    private func status() -> JSON {
        workers.findLeftovers(orphanTerms)
        // What the pool comes back to; what was asked for since may be on its way, or have failed.
        let program = generations[pool.settledGeneration]?.program ?? settings.program
        let usage = PoolUsage(
            of: workers.living, memoryWatch.gauge, listeners: ports.listeners.compactMap { $0.inode },
            shared: ports.acceptedByAll, known: Set(ports.listening.flatMap { $0.sockets.map { $0.inode } }),
            loop.buffer)
        let report = StatusReport(
            pool: pool, now: poolTime, usage: usage, workers: workers, emptyings: emptyings, restarts: control.failures,
            failureReasons: control.failureReasons)
        return JSON.result([
            .init(
                "pool",
                [
                    "name": .string(control.name), "pid": .integer(Int(getpid())),
                    "started_at": .string(LogFormatter.timestamp(startedAt)), "program": .string(program.path),
                    "arguments": .array(program.arguments.map { .string($0) }),
                    "workers": .integer(pool.policy.workers), "ready": .integer(pool.totals.serving),
                    "phase": .string(report.phase), "paused": .bool(pool.isPaused), "failing": report.failing,
                    "generation": .integer(pool.settledGeneration), "newest": .integer(pool.newestGeneration),
                    "version": .string(version), "memory_kind": "pss",
                ]),
            .init("roll", report.roll),
            .init("last_reload", control.rolls.last.map { $0.isStart ? .null : $0.summary } ?? .null),
            .init("generations", .array(generationFacts())),
            .init("listeners", .array(listeners(usage))),
            .init("slots", report.slots),
            .init("left", report.left),
        ])
    }

    /// All on which the pool can be reached: opened by the daemon, shared by workers, or opened by workers themselves.
    private func listeners(_ usage: PoolUsage) -> [JSON] {
        func port(_ address: String, _ kind: JSON, workers: Int, queue: Int) -> JSON {
            [
                "address": .string(address), "name": .null, "kind": kind, "workers": .integer(workers),
                "queue": .integer(queue),
            ]
        }
        let shared = ports.listening.map { address, sockets in
            port(
                "\(address)", "shared", workers: Set(sockets.compactMap { $0.owner?.id }).count,
                queue: sockets.reduce(0) { $0 + ($1.queue ?? 0) })
        }
        let own = usage.ownPorts.map { port("\($0.address)", "own", workers: $0.workers.count, queue: $0.queue) }
        return ports.listeners.map { $0.json(queue: usage.queue(of: $0)) } + shared + own
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
}
