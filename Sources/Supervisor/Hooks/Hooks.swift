// Commands that the user wants run on events (--on-event): processes beside the pool and unknown to it. Nothing waits for one,
// but for a moment at the daemon's very end.
internal import CLinux
internal import Glibc
internal import Reloader

final class Hooks {
    private let loop: Loop
    private let story: Story
    /// The daemon's own, without what was meant for it alone.
    private let environment: Environment
    /// What the daemon was given.
    private let fileLimit: ResourceLimit
    private var queue = HookQueue()

    init(environment: Environment, fileLimit: ResourceLimit, _ loop: Loop, _ story: Story) {
        self.loop = loop
        self.story = story
        self.environment = environment
        self.fileLimit = fileLimit
    }

    /// Nothing runs or waits any more.
    var areDone: Bool { queue.areDone }
    /// Of those that run.
    var pids: Set<Int32> { Set(queue.running.lazy.map { $0.pid }) }
    var nextDeadline: Instant? { queue.nextDeadline }

    func process(_ pid: Int32) -> HookProcess? { queue.process(pid) }

    /// Takes note of an event; its hook starts when this turn's work for the pool is done.
    ///
    /// - Parameters:
    ///   - name: what hooks call it.
    ///   - record: what the log said of it.
    ///   - time: when that was.
    ///   - daemon: by which name the daemon is known.
    ///   - lastWords: what the worker wrote that the event is about.
    ///   - command: for /bin/sh -c.
    func raise(
        _ name: String, _ record: LogRecord, at time: timespec, daemon: String, lastWords: [String], _ command: String,
        timeout: Duration
    ) {
        guard queue.hasRoom() else { return }
        var record = record
        record.event = name
        record.fields.insert(
            contentsOf: [("daemon", .text(daemon)), ("daemon_pid", .number(Int(getpid())))], at: 0)
        if !lastWords.isEmpty { record.fields.append(("last_lines", .text(lastWords.joined(separator: "\n")))) }
        let json = LogFormatter(format: .json, isJournal: false).line(record, at: time)
        queue.add(HookEvent(name: name, json: json, command: command, timeout: timeout))
    }

    /// Starts those that wait, as far as there is room.
    func startWaiting() {
        while let event = queue.next() {
            do throws(SystemError) { try start(event) } catch {
                story.tell(
                    LogRecord(
                        .warning, "hook_failed", "cannot run a hook for \(event.name): \(error)",
                        [("hook", .text(event.name))]))
            }
            let dropped = queue.takeDroppedEvents()
            if dropped > 0 {
                story.tell(
                    LogRecord(
                        .warning, "hooks_dropped", "too many events waited for their hooks: some hooks are not run",
                        [("events", .number(dropped))]))
            }
        }
    }

    private func start(_ event: HookEvent) throws(SystemError) {
        let hook = try HookProcess(event, environment: environment, fileLimit: fileLimit, at: MonotonicClock.now())
        queue.began(hook)
        do throws(SystemError) { try loop.watch(hook.exit, .hook(hook)) } catch {
            // Unheard it would never end for us.
            hook.kill()
            throw error
        }
    }

    /// Reaps a hook that has ended; does nothing while it still runs.
    ///
    /// - Returns: when it was started, as the kernel counts, if it has ended: what became an orphan since may be its.
    func reap(_ hook: HookProcess) throws(SystemError) -> Int? {
        guard queue.process(hook.pid) === hook else { return nil }
        var exit = rl_exit()
        let descriptor = hook.exit.number
        try checked("waitid", "pid \(hook.pid)") { rl_peek_pidfd(descriptor, &exit) }
        if exit.pid == 0 { return nil }
        // Not yet reaped, its number can't be anybody else's: what it leaves behind goes with it.
        _ = rl_signal_group(descriptor, hook.pid, SIGKILL)
        let startTicks = ProcessStatus(hook.pid, loop.buffer)?.startTicks ?? 0
        try checked("waitid", "pid \(hook.pid)") { rl_reap_pidfd(descriptor, &exit) }
        try loop.unwatch(hook.exit)
        queue.ended(hook)
        let status = ExitStatus(exit)
        if !hook.isKilled && status != .exited(code: 0) {
            tell(hook, "hook_failed", "hook for \(hook.event) \(status.words)", status.fields)
        }
        return startTicks
    }

    /// Hooks that have run for too long are killed; the end of each comes later, by itself.
    ///
    /// - Returns: as `reap`, for each that was found to have ended.
    func endOverdue(at now: Instant) throws(SystemError) -> [Int] {
        var startTicks: [Int] = []
        queue.grantTimeAgain(at: now)
        for hook in queue.overdue(at: now) {
            if let ticks = try reap(hook) {
                startTicks.append(ticks)
            } else if hook.isKilled {
                // The kernel cannot end it now (a dead file server); nobody is to wait for that.
                try loop.unwatch(hook.exit)
                queue.ended(hook)
            } else {
                let reason =
                    queue.isEnding
                    ? "the daemon ends" : "it did not end within \(LogFormatter.seconds(hook.timeout))s"
                tell(hook, "hook_killed", "hook for \(hook.event) is killed: \(reason)")
                hook.kill()
                hook.deadline = now + HookQueue.lastMoment
            }
        }
        return startTicks
    }

    /// The daemon ends: hooks have one last moment.
    func end(at now: Instant) { queue.end(by: now + HookQueue.lastMoment) }

    /// The loop itself has failed.
    func killAll() {
        for hook in queue.running { hook.kill() }
    }

    private func tell(
        _ hook: HookProcess, _ event: String, _ message: String, _ more: [(key: String, value: LogRecord.Value)] = []
    ) {
        let fields: [(key: String, value: LogRecord.Value)] = [
            ("hook", .text(hook.event)), ("pid", .number(Int(hook.pid))),
        ]
        story.tell(LogRecord(.warning, event, message, fields + more))
    }
}
