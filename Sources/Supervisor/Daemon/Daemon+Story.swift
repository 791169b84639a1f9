// What people are told: each report of the core goes to the log, to those who wait for it, to hooks and to the service
// manager.
internal import Glibc
internal import Reloader

extension Daemon {
    func context(of id: WorkerID) -> ReportContext {
        var context = workers[id]?.context ?? ReportContext()
        context.spawnFailure = starts.failure(of: id)
        context.isReadyByListening = pool.policy.readiness == .listening
        return context
    }

    private func context(of report: Report, _ asker: Asker?) -> ReportContext {
        var context = report.worker.map(context) ?? ReportContext()
        context.askedBy = asker.map { ($0.words, $0.pid) }
        if case .roll(.reverted(_, let base, _)) = report { context.changedFiles = releases.changedFiles(of: base) }
        if case .pool(.ready) = report { context.addresses = ports.addresses }
        if case .pool(.stopping) = report, isatty(2) == 1 { context.workersWaitedFor = pool.workersAlive }
        return context
    }

    func tell(_ report: Report, askedBy asker: Asker?) {
        // What is told has happened: a reader of "worker is ready" may count on it.
        if report.changesWhoServes {
            steer()
            helper.settle()
        }
        if case .worker(let report) = report, case .failed(.exitedBeforeReady) = report.what {
            noteRefusedPort(of: report.id)
        }
        control.forgetStatus()
        let record = report.record(context(of: report, asker))
        let written = story.tell(record)
        if case .worker(let report) = report, case .failed(let reason) = report.what {
            workers.noteFailure(in: report.slot, record.message, at: MonotonicClock.now())
            if let worker = workers[report.id] { output.tellWords(of: worker.output, fromStart: reason.isOfStart) }
        }
        tellWaiters(report, written, asker)
        raiseHook(report, record, at: written.time)
        manager.hear(report, pool, at: poolTime)
    }

    private func raiseHook(_ report: Report, _ record: LogRecord, at time: timespec) {
        guard let command = settings.onEvent, let name = report.hookName else { return }
        let isOfStart = report.failure?.isOfStart ?? false
        let lines = report.worker.flatMap { workers[$0] }?.output.lines
            .all(of: WorkerStream.Kind.allCases, fromStart: isOfStart)
        hooks.raise(
            name, record, at: time, daemon: settings.daemonName, lastWords: lines?.texts ?? [], command,
            timeout: settings.onEventTimeout)
    }

    func tellStarted() {
        ports.tellOpened(Environment.inherited())
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
        manager.reloadAsked(at: MonotonicClock.now())
        return record
    }

    func tellRefused(_ refusal: ReloadRefusal) {
        story.tell(LogRecord(.error, "reload_refused", "reload refused, everything goes on as before: \(refusal)"))
        manager.reloadRefused("\(refusal)", isRolling: pool.roll != nil)
    }

    func tellUnsupported(_ signal: Int32) {
        story.tell(ignored(signal, "it has no meaning here"))
    }

    func tellWinchIgnored() {
        story.tellOnce(
            ignored(
                SIGWINCH,
                "it comes from outside this pid namespace, where a resized terminal is passed on as the same signal "
                    + "(sent from inside, it drains all workers)"))
    }

    private func ignored(_ signal: Int32, _ reason: String) -> LogRecord {
        LogRecord(
            .warning, "signal_ignored", "\(signalWord(signal)) is ignored: \(reason)",
            [("signal", .number(Int(signal)))])
    }

    func tellHangUpIgnored() {
        story.tellOnce(
            LogRecord(
                .info, "terminal_closed",
                "the terminal was closed, and all goes on as before: SIGHUP was ignored at the start (nohup)"))
    }

    func tellTerminalClosed() {
        story.tell(
            LogRecord(
                .warning, "terminal_closed",
                "the terminal was closed: stopping (to let a daemon outlive its terminal, start it with nohup or as a "
                    + "service)"))
    }

    func tellOverslept(_ time: Duration) {
        story.tell(
            LogRecord(
                .warning, "overslept",
                "the daemon did not run for a while (stopped, frozen, or on a machine that is too busy): every time "
                    + "limit starts again", [("late", .duration(time))]))
    }
}
