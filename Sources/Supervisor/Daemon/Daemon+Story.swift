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

    private func context(of report: Report, _ asker: Asker?) -> ReportContext {
        var context = report.worker.map(context) ?? ReportContext()
        context.askedBy = asker.map { ($0.words, $0.pid) }
        if case .roll(.reverted(_, let base, _)) = report { context.changedFiles = releases.changedFiles(of: base) }
        if case .pool(.stopping) = report, isatty(2) == 1 { context.workersWaitedFor = pool.workersAlive }
        return context
    }

    func tell(_ report: Report, askedBy asker: Asker?) {
        // What is told has happened: whoever reads that a worker serves may count on it.
        if report.changesWhoServes { steer() }
        if case .worker(let report) = report, case .failed(.exitedBeforeReady) = report.what {
            noteRefusedPort(of: report.id)
        }
        let record = report.record(context(of: report, asker))
        let written = story.tell(record)
        if case .worker(let report) = report, case .failed(let reason) = report.what {
            slotFailures.failed(in: report.slot, record.message, at: MonotonicClock.now())
            if let worker = workers[report.id] { output.tellWords(of: worker.output, fromStart: reason.isOfStart) }
        }
        tellWaiters(report, written, asker)
        raiseHook(report, record, at: written.time)
        manager.hear(report, pool)
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
        manager.reloadAsked(at: MonotonicClock.now())
        return record
    }

    func tellRefused(_ refusal: ReloadRefusal) {
        story.tell(LogRecord(.error, "reload_refused", "reload refused, everything goes on as before: \(refusal)"))
        manager.reloadRefused("\(refusal)", isRolling: pool.roll != nil)
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
}
