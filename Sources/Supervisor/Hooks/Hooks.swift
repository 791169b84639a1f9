// The user's commands for events (--on-event). Their processes run beside the pool, which does not know them. Nothing
// waits for a hook, except for a moment at the daemon's very end.
internal import CLinux
internal import Glibc
internal import Reloader

final class Hooks {
    private let loop: Loop
    private let story: Story
    /// The daemon's environment, without what was meant for the daemon alone.
    private let environment: Environment
    /// The limit of open files that the daemon was given.
    private let fileLimit: ResourceLimit
    private var queue = HookQueue()

    init(environment: Environment, fileLimit: ResourceLimit, _ loop: Loop, _ story: Story) {
        self.loop = loop
        self.story = story
        self.environment = environment
        self.fileLimit = fileLimit
    }

    // MARK: for the daemon that comes next

    static let key = "hooks"

    func row() throws(StateError) -> StateRow {
        var descriptors = RowDescriptors()
        let state = queue.state(&descriptors)
        return try StateRow(Self.key, state, descriptors)
    }

    init(
        _ rows: StateRows, environment: Environment, fileLimit: ResourceLimit, _ loop: Loop, _ story: Story
    ) throws(StateError) {
        self.loop = loop
        self.story = story
        self.environment = environment
        self.fileLimit = fileLimit
        queue = try HookQueue(try rows.value(HookQueue.State.self, Self.key), of: Self.key, in: rows)
    }

    static func check(_ rows: StateRows) throws(StateError) { _ = try rows.value(HookQueue.State.self, key) }

    /// Watches the hooks that run, after `init` with rows.
    func watch() throws(SystemError) {
        for hook in queue.running { try loop.watch(hook.exit, .hook(hook)) }
    }

    /// A hook is being set up. It can't be told to another daemon before it runs.
    var isStarting: Bool { queue.running.contains { !$0.isExecuted } }

    // MARK: which hooks there are

    /// No hook runs or waits any more.
    var areDone: Bool { queue.areDone }
    /// The PIDs of hooks that run.
    var pids: Set<Int32> { Set(queue.running.lazy.map { $0.pid }) }
    var nextDeadline: Instant? { queue.nextDeadline }

    func process(_ pid: Int32) -> HookProcess? { queue.process(pid) }

    /// Takes note of an event. Its hook starts when this turn's work for the pool is done.
    ///
    /// - Parameters:
    ///   - name: the event's name for hooks.
    ///   - record: what the log said about the event.
    ///   - time: the time of the record.
    ///   - daemon: the daemon's name.
    ///   - lastWords: the last lines of the worker that the event is about.
    ///   - command: the command for /bin/sh -c.
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

    /// Starts waiting hooks, as far as there is room.
    func startWaiting() {
        while let event = queue.next() {
            do throws(SystemError) { try start(event) } catch { tellFailure(of: event.name, error) }
            let dropped = queue.takeDroppedEvents()
            if dropped > 0 {
                story.tell(
                    LogRecord(
                        .warning, "hooks_dropped", "too many events waited for their hooks: some hooks were not run",
                        [("events", .number(dropped))]))
            }
        }
    }

    private func start(_ event: HookEvent) throws(SystemError) {
        let hook = try HookProcess(event, environment: environment, fileLimit: fileLimit, at: MonotonicClock.now())
        queue.began(hook)
        do throws(SystemError) {
            try loop.watch(hook.exit, .hook(hook))
            if let channel = hook.start?.channel { try loop.watch(channel, .hook(hook)) }
        } catch {
            // Without the watch, the daemon would never notice the hook's end.
            hook.kill()
            throw error
        }
    }

    private func tellFailure(of event: String, _ error: SystemError) {
        story.tell(
            LogRecord(
                .warning, "hook_failed", "cannot run a hook for \(event): \(error)", [("hook", .text(event))]))
    }

    /// Reaps a hook that has ended; does nothing while it still runs, or is still being set up.
    ///
    /// - Returns: if the hook has ended, when it was started, in the kernel's ticks: processes orphaned since then may
    ///   be its own.
    func reap(_ hook: HookProcess) throws(SystemError) -> Int? {
        guard queue.process(hook.pid) === hook, try isExecuted(hook) else { return nil }
        var exit = rl_exit()
        let descriptor = hook.exit.number
        try checked("waitid", "pid \(hook.pid)") { rl_peek_pidfd(descriptor, &exit) }
        if exit.pid == 0 { return nil }
        // The hook is not reaped yet, so no other process can have its number. What it leaves behind is killed with it.
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

    private func isExecuted(_ hook: HookProcess) throws(SystemError) -> Bool {
        if hook.isExecuted { return true }
        switch try hook.start?.look(loop) {
        case .executed?:
            hook.isExecuted = true
            return true
        case .failed(let failure)?:
            try loop.unwatch(hook.exit)
            queue.ended(hook)
            if !hook.isKilled { tellFailure(of: hook.event, HookProcess.error(of: failure)) }
            return false
        case nil: return false
        }
    }

    /// Kills hooks that have run too long. They are reaped when their ends are seen.
    ///
    /// - Returns: what `reap` returned for each hook that had already ended.
    func endOverdue(at now: Instant) throws(SystemError) -> [Int] {
        var startTicks: [Int] = []
        queue.grantTimeAgain(at: now)
        for hook in queue.overdue(at: now) {
            if let ticks = try reap(hook) {
                startTicks.append(ticks)
            } else if hook.isKilled {
                // The kernel cannot end the process now (a dead file server), and the daemon does not wait for that.
                try loop.unwatch(hook.exit)
                if let channel = hook.start?.channel { try loop.unwatch(channel) }
                queue.ended(hook)
            } else {
                let reason =
                    queue.isEnding
                    ? "the daemon is ending" : "it did not end within \(LogFormatter.seconds(hook.timeout))s"
                tell(hook, "hook_killed", "killing the hook for \(hook.event): \(reason)")
                hook.kill()
                hook.deadline = now + HookQueue.lastMoment
            }
        }
        return startTicks
    }

    /// To be called when the daemon ends: hooks get one last moment.
    func end(at now: Instant) { queue.end(by: now + HookQueue.lastMoment) }

    /// To be called when the loop itself has failed.
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

extension Report {
    /// The name of the event for hooks; nil: hooks are not told about it.
    var hookName: String? {
        switch self {
        case .worker(let report): if case .failed = report.what { "crashed" } else { nil }
        case .roll(let report): report.hookName
        case .recycle: nil
        case .pool(.ready): "ready"
        case .pool(.gaveUp): "give-up"
        case .pool: nil
        }
    }
}

extension RollReport {
    fileprivate var hookName: String? {
        switch self {
        case .done: "deployed"
        case .failed, .timedOut: "failed"
        case .reverted: "reverted"
        case .promoted: "promoted"
        case .began, .slotReplaced, .canaryWaits, .superseded, .aborted: nil
        }
    }
}
