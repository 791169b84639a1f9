// What people are told: the log, and the service manager's view of the same events.
internal import Glibc
internal import Reloader

extension Daemon {
    func context(of id: WorkerID) -> ReportContext {
        var context = workers[id]?.context ?? ReportContext()
        context.spawnFailure = starts.failure(of: id)
        context.isReadyByListening = pool.policy.readiness == .listening
        return context
    }

    private func context(of report: Report) -> ReportContext {
        var context = report.worker.map(context) ?? ReportContext()
        context.asker = asker
        if case .roll(.reverted(_, let base, _)) = report { context.changedFiles = changedFiles(of: base) }
        if case .pool(.stopping) = report, isatty(2) == 1 { context.workersWaitedFor = pool.workersAlive }
        return context
    }

    func tell(_ report: Report) {
        // What is told has happened: whoever reads that a worker serves may count on it.
        if report.changesWhoServes { steer() }
        if case .worker(let report) = report, case .failed(.exitedBeforeReady) = report.what {
            noteRefusedPort(of: report.id)
        }
        let record = report.record(context(of: report))
        let written = story.tell(record)
        if case .worker(let report) = report, case .failed(let reason) = report.what {
            control.failures[report.slot, default: 0] += 1
            control.failureReasons[report.slot] = SlotFailure(reason: record.message, at: MonotonicClock.now())
            if let worker = workers[report.id] { output.tellWords(of: worker.output, fromStart: reason.isOfStart) }
        }
        if case .roll(let report) = report { noteReleases(report) }
        tellWaiters(report, written)
        raiseEvent(report, record, at: written.time)
        tellManager(report)
    }

    func tellStarted() {
        ports.tellOpened(environment)
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
        case .roll(let report): tellManager(report)
        case .pool(let report): tellManager(report)
        case .worker, .recycle: break
        }
    }

    private func tellManager(_ report: RollReport) {
        switch report {
        case .began, .slotReplaced:
            sendManager([
                rollStatus,
                ServiceManager.extendTimeout(
                    by: settings.policy.readyTimeout + (pool.roll?.plan.soak ?? settings.policy.soak) + .seconds(5)),
            ])
        // The manager would not wait for people.
        case .canaryWaits(let target, let replaced, let workers, _):
            settleManager("\(replaced) of \(serving(workers)) generation \(target) on trial")
        case .failed(let target, let base, _, _, _, _), .timedOut(let target, let base, _, _):
            sendManager(["STATUS=Reload to generation \(target) failed, going back to generation \(base)"])
        case .reverted(let target, let base, _):
            settleManager(
                "Reload to generation \(target) failed; \(serving(pool.policy.workers)) generation \(base)")
        case .done(let target, let workers, _):
            settleManager("\(serving(workers)) generation \(target)")
        // What aborts a roll, a stop or a drain, is what counts, and has just been told.
        case .aborted, .superseded, .promoted: break
        }
    }

    private func tellManager(_ report: PoolReport) {
        switch report {
        case .ready(let workers, _):
            hasToldReady = true
            sendManager(["READY=1", "STATUS=\(serving(workers)) generation \(pool.settledGeneration)"])
        case .paused: if pool.roll != nil { settleManager("Reload paused") }
        case .drainingAll: settleManager("Draining all workers")
        case .stopping:
            sendManager([
                "STOPPING=1", "STATUS=Stopping",
                ServiceManager.extendTimeout(by: timeToStop + .seconds(5)),
            ])
        case .backoffBegan, .resumed, .refused, .scaled, .gaveUp: break
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
