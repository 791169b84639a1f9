// What clients of the control socket may ask, one function a verb; and what clients that wait for a deploy or a restart
// are told.
internal import Glibc
internal import Reloader

extension Daemon {
    func answer(_ request: ControlRequest, _ client: ControlClient) {
        do throws(ControlError) { try obey(request, client) } catch { control.answer(client, error) }
    }

    private func obey(_ request: ControlRequest, _ client: ControlClient) throws(ControlError) {
        switch request {
        case .status: control.answerStatus(client, status)
        case .reload(let request): try reload(request, client)
        case .history(let limit):
            control.answer(client, JSON.result([.init("entries", deploys.entries(limit, releases))]))
        case .events(let follow): control.tellEvents(client, follow: follow)
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
        case .upgrade(let path, let isUrgent): try upgrade(path, isUrgent, client)
        }
    }

    // MARK: verbs

    private func reload(_ request: ReloadRequest, _ client: ControlClient) throws(ControlError) {
        do throws(ReloadRefusal) {
            let (deploy, bad) = try prepareReload(DeployOrder(asker: client.peer.asker, changes: request.changes))
            if request.wait { control.wait(client, for: .roll(generation: deploy.generation)) }
            rollOut(deploy, sameAsBad: bad)
            if !request.wait { control.answer(client, deploy.begun(isPaused: pool.isPaused)) }
        } catch {
            if case .ending = error { throw Self.isStopping }
            let reason = JSON.string("\(error)")
            control.answer(
                client, JSON.result([.init("outcome", .word(RollOutcome.refused)), .init("reason", reason)]))
        }
    }

    private func tellLogs(_ client: ControlClient, _ slot: Int?, follow: Bool) {
        if follow {
            return control.followLogs(
                client, slot: slot, workerLines(slot, atMost: ControlLimits.followedLogLinesMax))
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

    /// A second graceful stop does not hurry the first: two people may ask for one without knowing of each other.
    private func stop(_ mode: StopMode, _ client: ControlClient, wait: Bool) {
        if wait { control.wait(client, for: .end) } else { control.answer(client, JSON.result()) }
        if pool.isEnding, mode == .graceful { return }
        handle(.stop(mode))
    }

    /// Hands the core a command that it obeys or refuses at once.
    @discardableResult
    private func command(_ event: Event, askedBy asker: Asker? = nil) throws(ControlError) -> JSON {
        if pool.isEnding { throw Self.isStopping }
        for case .pool(.refused(let refusal)) in handle(event, askedBy: asker) {
            throw ControlError(.refused, refusal.words)
        }
        return JSON.result()
    }

    private func restart(_ slot: Int, _ client: ControlClient, wait: Bool) throws(ControlError) {
        if wait { control.wait(client, for: .restart(slot: slot)) }
        try command(.restart(slot: slot))
        if !wait { control.answer(client, JSON.result([.init("outcome", .word(RollOutcome.begun))])) }
    }

    /// A rollback to what is no longer there is refused, so that nobody takes it for one that worked.
    private func refuseRollbackToChanged(_ asked: Int?) throws(ControlError) {
        guard let target = pool.rollbackTarget(asked), case let files = releases.changedFiles(of: target),
            !files.isEmpty
        else { return }
        let names = files.map { printable($0) }.joined(separator: ", ")
        throw ControlError(
            .refused,
            "rollback refused: \(names) changed since generation \(target) was made, and would not be what it was "
                + "(--force: roll back to the rest of it; releases belong in directories of their own)")
    }

    /// Only the core knows the target: the client begins to wait for the roll when the roll begins.
    private func rollback(to generation: Int?, _ client: ControlClient, wait: Bool) throws(ControlError) {
        if wait { control.wait(client, for: .rollback) }
        try command(.rollback(to: generation), askedBy: client.peer.asker)
        let target = pool.roll?.target ?? pool.settledGeneration
        if !wait {
            control.answer(client, Deploy.begun(generation: target, isPaused: pool.isPaused && pool.roll != nil))
        } else if client.task == .rollback {
            // The pool serves it already, and no roll was needed.
            control.answer(
                client,
                JSON.result([.init("outcome", .word(RollOutcome.done)), .init("generation", .integer(target))]))
        }
    }

    /// The answer comes from the program that goes on, whichever that is.
    private func upgrade(_ path: String?, _ isUrgent: Bool, _ client: ControlClient) throws(ControlError) {
        // It is executed with all rights of the daemon, which the members of the group need not have.
        if path != nil && !client.peer.isOwner {
            throw ControlError(.refused, "only root and the daemon's user may name a program that is to be executed")
        }
        do throws(UpgradeRefusal) {
            try beginUpgrade(path, client.peer.asker, isUrgent: isUrgent)
            control.wait(client, for: .upgrade)
        } catch {
            control.answer(
                client,
                JSON.result([.init("outcome", .word(RollOutcome.refused)), .init("reason", .string("\(error)"))]))
        }
    }

    private static let isStopping = ControlError(.refused, "\(ReloadRefusal.ending)")

    // MARK: those who wait

    /// Tells the clients that wait for a deploy or a restart what has become of it.
    func tellWaiters(_ report: Report, _ record: StampedRecord, _ asker: Asker?) {
        if case .recycle(let report) = report { tellRestart(report) }
        if case .roll(.began(let target, _, _)) = report { control.rollbackBegan(to: target) }
        for deploy in deploys.hear(report, asker: asker, failure: failure(in: report), releases) {
            if deploy.ending?.outcome == .done { releases.deployed(deploy.order.changes) }
            control.tell(
                .roll(generation: deploy.generation), progress: deploy.event(record), result: deploy.result)
        }
    }

    /// What is known of the worker that made a deploy fail; nil: the report is about something else.
    private func failure(in report: Report) -> DeployFailure? {
        guard case .roll(.failed(_, _, let slot, let id, let reason, _)) = report else { return nil }
        return failure(of: id, slot, reason)
    }

    private func failure(of id: WorkerID, _ slot: Int, _ reason: FailureReason) -> DeployFailure {
        let lines = workers[id]?.output.lines.all(of: WorkerStream.Kind.allCases, fromStart: reason.isOfStart)
        return DeployFailure(reason, context(of: id), slot: slot, lines: lines ?? [])
    }

    private func tellRestart(_ report: RecycleReport) {
        let members: [JSON.Member]
        switch report.what {
        case .began: return
        case .done(let generation, let took):
            members = [
                .init("outcome", .word(RollOutcome.done)), .init("generation", .integer(generation)),
                .init("took_s", .seconds(took)),
            ]
        case .failed(let generation, let id, let reason):
            let failure = failure(of: id, report.slot, reason)
            members =
                [
                    .init("outcome", .word(RollOutcome.failed)), .init("generation", .integer(generation)),
                    .init("reason", .string(failure.reason)),
                ] + failure.members
        case .abandoned:
            members = [
                .init("outcome", .word(RollOutcome.failed)),
                .init("reason", "a reload began, the pool drains or stops, or the slot is gone"),
            ]
        }
        control.tell(.restart(slot: report.slot), result: JSON.result(members))
    }

    // MARK: status

    private func status() -> JSON {
        workers.findLeftovers(orphanTerms)
        let usage = PoolUsage(
            of: workers.living, memoryWatch.gauge, listeners: ports.listeners.compactMap { $0.inode },
            shared: ports.acceptedByAll, known: Set(ports.listening.flatMap { $0.sockets.map { $0.inode } }),
            loop.buffer)
        return StatusReport(
            name: control.name, identity: identity, pool: pool, now: poolTime, usage: usage, releases: releases,
            lastDeploy: deploys.last, listeners: ports.listeners, shared: ports.listening, workers: workers,
            emptyings: emptyings, failures: workers.failures
        ).json
    }
}
