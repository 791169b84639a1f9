// Whom the user wants told (--on-event): the hook's processes, beside the pool and unknown to it. Nothing waits for one, but
// for a moment at the daemon's very end.
internal import CLinux
internal import Glibc
internal import Reloader

extension Daemon {
    /// Takes note of the event; its hook starts when this turn's work for the pool is done.
    ///
    /// - Parameters:
    ///   - record: what the log said of it.
    ///   - time: when that was.
    func raiseEvent(_ report: Report, _ record: LogRecord, at time: timespec) {
        guard let command = settings.onEvent, let name = report.hookName, hooks.hasRoom() else { return }
        hooks.add(
            HookEvent(
                name: name, json: eventJSON(report, name, record, time), command: command,
                timeout: settings.onEventTimeout))
    }

    /// The record of the log under the event's own name, with what the log says elsewhere.
    private func eventJSON(_ report: Report, _ name: String, _ record: LogRecord, _ time: timespec) -> [UInt8] {
        var record = record
        record.event = name
        record.fields.insert(
            contentsOf: [("daemon", .text(settings.daemonName)), ("daemon_pid", .number(Int(getpid())))],
            at: 0)
        if let worker = report.worker.flatMap({ workers[$0] }) {
            let isOfStart = report.failure?.isOfStart ?? false
            let lines = worker.output.lines.all(of: WorkerStream.Kind.allCases, fromStart: isOfStart).texts
            if !lines.isEmpty { record.fields.append(("last_lines", .text(lines.joined(separator: "\n")))) }
        }
        return LogFormatter(format: .json, isJournal: false).line(record, at: time)
    }

    func startHooks() {
        while let event = hooks.next() {
            do throws(SystemError) { try start(event) } catch {
                story.tell(
                    LogRecord(
                        .warning, "hook_failed", "cannot run a hook for \(event.name): \(error)",
                        [("hook", .text(event.name))]))
            }
            let dropped = hooks.takeDroppedEvents()
            if dropped > 0 {
                story.tell(
                    LogRecord(
                        .warning, "hooks_dropped", "too many events waited for their hooks: some hooks are not run",
                        [("events", .number(dropped))]))
            }
        }
    }

    private func start(_ event: HookEvent) throws(SystemError) {
        let (pid, exit) = try startHook(event, environment: workerEnvironment, fileLimit: starts.fileLimit)
        let hook = HookProcess(
            event, pid: pid, exit: FileDescriptor(owning: exit).moved(), startedAt: MonotonicClock.now())
        hooks.began(hook)
        do throws(SystemError) { try loop.watch(hook.exit, .hook(hook)) } catch {
            // Unheard it would never end for us.
            kill(hook)
            throw error
        }
    }

    /// Does nothing while it still runs.
    func hookExited(_ hook: HookProcess) throws(SystemError) {
        var exit = rl_exit()
        let descriptor = hook.exit.number
        try checked("waitid", "pid \(hook.pid)") { rl_peek_pidfd(descriptor, &exit) }
        if exit.pid == 0 { return }
        // Not yet reaped, its number can't be anybody else's: what it leaves behind goes with it.
        _ = rl_signal_group(descriptor, hook.pid, SIGKILL)
        let startTicks = ProcessStatus(hook.pid, loop.buffer)?.startTicks ?? 0
        try checked("waitid", "pid \(hook.pid)") { rl_reap_pidfd(descriptor, &exit) }
        workers.noteOrphans(ofHookStartedAt: startTicks, orphanTerms)
        try loop.unwatch(hook.exit)
        hooks.ended(hook)
        let status = ExitStatus(exit)
        if hook.isKilled || status == .exited(code: 0) { return }
        tell(hook, "hook_failed", "hook for \(hook.event) \(status.words)", status.fields)
    }

    /// Its end comes later, by itself.
    func endOverdueHooks() throws(SystemError) {
        hooks.grantTimeAgain(at: MonotonicClock.now())
        for hook in hooks.overdue(at: MonotonicClock.now()) {
            try hookExited(hook)
            guard hooks.process(hook.pid) === hook else { continue }
            if hook.isKilled {
                // The kernel cannot end it now (a dead file server); nobody is to wait for that.
                try loop.unwatch(hook.exit)
                hooks.ended(hook)
                continue
            }
            tell(
                hook, "hook_killed",
                exitStatus == nil
                    ? "hook for \(hook.event) is killed: it did not end within \(LogFormatter.seconds(hook.timeout))s"
                    : "hook for \(hook.event) is killed: the daemon ends")
            kill(hook)
            hook.deadline = MonotonicClock.now() + HookQueue.lastMoment
        }
    }

    private func kill(_ hook: HookProcess) {
        hook.isKilled = true
        _ = rl_kill_with_group(hook.exit.number, hook.pid)
    }

    private func tell(
        _ hook: HookProcess, _ event: String, _ message: String, _ more: [(key: String, value: LogRecord.Value)] = []
    ) {
        let fields: [(key: String, value: LogRecord.Value)] = [
            ("hook", .text(hook.event)), ("pid", .number(Int(hook.pid))),
        ]
        story.tell(LogRecord(.warning, event, message, fields + more))
    }

    /// The loop itself has failed.
    func killHooks() {
        for hook in hooks.running { kill(hook) }
    }
}
