// What people are told: the log, and the service manager's view of the same events.
internal import Glibc
internal import Reloader

extension Daemon {
    func context(of id: WorkerID) -> ReportContext {
        var context = workers[id]?.context ?? ReportContext()
        context.spawnFailure = starts.failure(of: id)
        context.isReadyByListening = sharing != nil && listeningMeansReady
        return context
    }

    private func context(of report: Report) -> ReportContext {
        var context = report.worker.map(context) ?? ReportContext()
        context.asker = asker
        if case .rollReverted(_, let base, _) = report { context.changedFiles = changedFiles(of: base) }
        if case .stopping = report, isatty(2) == 1 { context.workersWaitedFor = pool.workersAlive }
        return context
    }

    func tell(_ report: Report) {
        // What is told has happened: whoever reads that a worker serves may count on it.
        if report.changesWhoServes { steer() }
        if case .workerFailed(let id, _, _, .exitedBeforeReady) = report { noteRefusedPort(of: id) }
        let record = report.record(context(of: report))
        let written = story.tell(record)
        if case .workerFailed(let id, let slot, _, let reason) = report {
            control.failures[slot, default: 0] += 1
            control.failureReasons[slot] = SlotFailure(reason: record.message, at: MonotonicClock.now())
            tellWords(of: id, fromStart: reason.isOfStart)
        }
        noteReleases(report)
        tellWaiters(report, written)
        raiseEvent(report, record, at: written.time)
        tellManager(report)
    }

    /// What stands above in the log is not said twice, but to those who only hear of events.
    private func tellWords(of id: WorkerID, fromStart: Bool) {
        guard let worker = workers[id] else { return }
        if roads.standardError == nil {
            story.tell(
                LogRecord(
                    .info, "words_not_kept",
                    "what the worker said last is not kept with --output inherit: it is wherever standard error goes "
                        + "(relay, prefix and file:PATH keep it)"))
            return
        }
        let stream = worker.lines.isEmpty(.standardError) ? WorkerStream.Kind.standardOutput : .standardError
        for line in worker.lines.all(of: [stream], fromStart: fromStart).excerpt {
            let texts = [line].texts
            for text in texts {
                let record = LogRecord.worker(
                    .error, "worker_said", text, worker.slot, worker.generation.number, ReportContext(pid: worker.pid),
                    [("stream", .text(stream.name))])
                if roads.endsInLog(stream) { story.note(record) } else { story.tell(record) }
            }
        }
    }

    func tellStarted() {
        if InheritedListeners.areMeantForAnother(environment) {
            story.tell(
                LogRecord(
                    .warning, "sockets_ignored",
                    "LISTEN_FDS is set and LISTEN_PID names another process: its sockets are not taken (a wrapper script "
                        + "must start reloaderd by exec)"))
        }
        if let obstacleToSharing {
            story.tell(
                LogRecord(
                    .warning, "ports_not_shared",
                    "ports cannot be shared (\(obstacleToSharing)): a reload of a program that binds its own port will fail, "
                        + "and a worker counts as ready when it has lived for 2s; pass listeners with --listen"))
        }
        for (index, listener) in listeners.enumerated() {
            story.tell(
                LogRecord(
                    .info, "listening", "listening on \(listener.label)",
                    [("fd", .number(index + 3)), ("name", .text(listener.name ?? "unknown"))]))
        }
        story.tell(
            LogRecord(
                .info, "started",
                "reloaderd starts \(counted(pool.policy.workers, "worker")) of \(settings.program.path)",
                [("pid", .number(Int(getpid()))), ("workers", .number(pool.policy.workers))]))
    }

    /// Returns the record as it was written.
    func tellReloading(askedBy asker: Asker) -> StampedRecord {
        let by: [(key: String, value: LogRecord.Value)] = asker.pid.map { [("by", .number(Int($0)))] } ?? []
        let how = asker.signal == nil ? " over the control socket" : ""
        let record = story.tell(LogRecord(.info, "reload_asked", "reload asked for by \(asker.words)\(how)", by))
        if hasToldReady {
            owesReady = true
            sendManager(ServiceManager.reloading(at: MonotonicClock.now()))
        }
        return record
    }

    func tellRefused(_ refusal: ReloadRefusal) {
        story.tell(LogRecord(.error, "reload_refused", "reload refused, everything goes on as before: \(refusal)"))
        if pool.roll == nil { settleManager("Reload refused: \(refusal)") }
    }

    func tellNeedsRestart(_ options: [String]) {
        let names = options.joined(separator: ", ")
        story.tell(LogRecord(.warning, "needs_restart", "changed, and only taken up by a restart of the daemon: \(names)"))
    }

    func tellUnsupported(_ signal: Int32) {
        tellIgnored(signal, "it has no meaning here")
    }

    func tellWinchIgnored() {
        tellIgnored(
            SIGWINCH,
            "it comes from outside this pid namespace, where a resized terminal is passed on as the same signal (from inside, "
                + "it drains all workers)")
    }

    private func tellIgnored(_ signal: Int32, _ reason: String) {
        story.tell(
            LogRecord(
                .warning, "signal_ignored", "\(signalWord(signal)) is ignored: \(reason)",
                [("signal", .number(Int(signal)))]))
    }

    func tellHangUpIgnored() {
        story.tell(
            LogRecord(
                .info, "terminal_closed",
                "the terminal was closed, and all goes on as before: SIGHUP was ignored at the start (nohup)"))
    }

    func tellTerminalClosed() {
        story.tell(
            LogRecord(
                .warning, "terminal_closed",
                "the terminal was closed: stopping (a daemon that is to outlive its terminal is started with nohup, or as a "
                    + "service)"))
    }

    func tellOverslept(_ time: Duration) {
        story.tell(
            LogRecord(
                .warning, "overslept",
                "the daemon did not run for a while (stopped, frozen, or the machine too busy): whoever had a limited time has all "
                    + "of it again", [("late", .duration(time))]))
    }

    // MARK: the service manager

    private func tellManager(_ report: Report) {
        guard manager.isPresent else { return }
        switch report {
        case .poolReady(let workers, _):
            hasToldReady = true
            sendManager(["READY=1", "STATUS=\(serving(workers)) generation \(pool.settledGeneration)"])
        case .rollBegan, .slotReplaced:
            sendManager([
                rollStatus,
                ServiceManager.extendTimeout(
                    by: settings.policy.readyTimeout + (pool.roll?.plan.soak ?? settings.policy.soak) + .seconds(5)),
            ])
        // The manager would not wait for people.
        case .canaryWaits(let target, let replaced, let workers, _):
            settleManager("\(replaced) of \(serving(workers)) generation \(target) on trial")
        case .paused where pool.roll != nil: settleManager("Reload paused")
        case .rollFailed(let target, let base, _, _, _, _), .rollTimedOut(let target, let base, _, _):
            sendManager(["STATUS=Reload to generation \(target) failed, going back to generation \(base)"])
        case .rollReverted(let target, let base, _):
            settleManager(
                "Reload to generation \(target) failed; \(serving(pool.policy.workers)) generation \(base)")
        case .rollDone(let target, let workers, _):
            settleManager("\(serving(workers)) generation \(target)")
        case .drainingAll: settleManager("Draining all workers")
        case .stopping:
            sendManager([
                "STOPPING=1", "STATUS=Stopping",
                ServiceManager.extendTimeout(by: timeToStop + .seconds(5)),
            ])
        // What aborts a roll, a stop or a drain, is what counts, and has just been told.
        case .rollAborted, .workerReady, .workerDraining, .workerKilled, .workerExited, .leftoversEnding,
            .leftoversKilled, .workerFailed, .backoffBegan,
            .rollSuperseded, .promoted, .paused, .resumed, .recycleBegan, .recycleDone, .recycleFailed,
            .recycleAbandoned, .memoryLimitTooLow, .refused, .scaled, .gaveUp:
            break
        }
    }

    /// What the slowest worker may take.
    private var timeToStop: Duration {
        switch pool.policy.drain {
        case .signal: pool.policy.stopTimeout
        case .outside(let timeout): timeout + pool.policy.stopTimeout
        }
    }

    /// `1 worker serves`.
    private func serving(_ workers: Int) -> String {
        "\(counted(workers, "worker")) \(workers == 1 ? "serves" : "serve")"
    }

    private var rollStatus: String {
        "STATUS=Reloading: \(pool.slotsReplaced) of \(counted(pool.policy.workers, "slot")) replaced"
    }

    /// Ends a reload in the manager's eyes: with success or without, there is no other word for it in the protocol.
    private func settleManager(_ status: String) {
        sendManager((owesReady ? ["READY=1"] : []) + ["STATUS=\(status)"])
        owesReady = false
    }

    func sendManager(_ assignments: [String]) {
        do throws(SystemError) { try manager.send(assignments) } catch { tellNotifyFailed(error) }
    }

    func flushManager() {
        do throws(SystemError) { try manager.flush() } catch { tellNotifyFailed(error) }
    }

    private func tellNotifyFailed(_ error: SystemError) {
        story.tell(LogRecord(.warning, "notify_failed", "cannot tell the service manager: \(error)"))
    }

    /// Its socket is watched only while there is something left to tell.
    func watchManager() throws(SystemError) {
        guard let socket = manager.socket else { return }
        let isWatched = socket.token != nil
        if manager.isWaiting == isWatched { return }
        if isWatched { try loop.unwatch(socket) } else { try loop.watch(socket, .manager, .writable) }
    }
}
