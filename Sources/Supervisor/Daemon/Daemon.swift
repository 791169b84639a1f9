// The daemon: one thread, one loop. One event in, all effects out, then wait for what comes next or for the core's next
// deadline. It obeys the core and decides nothing about workers.
//
// Where to look: Daemon+Effects (what the core asks), Daemon+Workers (what is asked and heard of workers), Daemon+Ports
// (what comes of their ports), Daemon+Signals (what people ask by signal), Daemon+Requests (what they ask over the
// control socket), Daemon+Reload, Daemon+Story (what people are told). All else is in rooms of its own.
internal import CLinux
internal import Glibc
internal import Reloader

public final class Daemon {
    /// As people and clients know this daemon.
    let identity: StatusReport.Identity
    var pool: Pool
    private var clock = PoolClock()
    private var effects: [Effect] = []
    /// nil: the pool has not ended.
    var exitStatus: Int32?

    let loop: Loop
    /// Comes with the core's next deadline.
    private var timer: DeadlineTimer
    /// Comes when something is to be looked at that only time tells.
    var lookTimer: DeadlineTimer
    let signals: SignalReader
    /// nil: the daemon was started without one.
    let terminal: ControllingTerminal?

    let story: Story
    let manager: ServiceManager
    let ports: Ports
    let emptyings: Emptyings
    let output: Output
    let hooks: Hooks
    let control: ControlServer
    let releases: Releases
    let deploys: Deploys
    let workers: Workers
    let notifySockets: NotifyDirectory
    let starts: Starts
    let startTrouble: StartTrouble
    let memoryWatch: MemoryWatch
    /// nil: the daemon has no place where another one would find it.
    private(set) var keeper: Keeper?

    /// Opens everything, and starts nothing yet.
    ///
    /// - Parameters:
    ///   - version: the daemon's own, for people.
    ///   - readSettings: reads options and configuration again, at each reload.
    /// - Throws: what the daemon cannot do without. All that was opened is closed again.
    public init(
        _ settings: Settings, version: String, readingAgain readSettings: @escaping SettingsSource
    ) throws(StartError) {
        let environment = Environment.inherited()
        do throws(SystemError) { try openStandardDescriptors() } catch { throw .system(error) }
        let supply: PortSupply
        let automaticWorkers = CPUCount.current().automatic
        // First of all: what is opened before could have the number of a listener that was promised and is not there.
        do throws(ListenError) {
            supply = try PortSupply(settings, environment, slots: settings.workerCount(automatic: automaticWorkers))
        } catch { throw .listen(error) }
        let policy = settings.resolvedPolicy(automaticWorkers: automaticWorkers, ports: supply)
        if case .own(let obstacle?) = supply, policy.workers > 1 { throw .sharing(obstacle) }
        let outputFile: OutputSink?
        do throws(StartError) { outputFile = try Self.openOutputFile(settings) } catch {
            supply.removeFiles()
            throw error
        }
        let workerEnvironment = environment.withoutOuterSupervisor()
        do throws(SystemError) {
            try checked("prctl", "PR_SET_CHILD_SUBREAPER") { rl_become_subreaper() }
            story = try Story(format: settings.logFormat, name: settings.name, environment: environment)
            loop = try Loop()
            output = try Output(settings.output, file: outputFile, loop, story)
            manager = try ServiceManager(environment, loop, story)
            signals = try SignalReader()
            timer = try DeadlineTimer()
            lookTimer = try DeadlineTimer()
            let fileLimit = try raiseFileLimit()
            hooks = Hooks(environment: workerEnvironment, fileLimit: fileLimit, loop, story)
            notifySockets = NotifyDirectory(ControlPaths.runtimeDirectory(environment).placeOfNotifySockets, story)
            let spawner = try Spawner(
                name: settings.daemonName, listenerNames: supply.listeners.map { $0.name }, fileLimit: fileLimit,
                pipesOutput: output.pipesStandardOutput, pipesErrors: output.pipesStandardError,
                cpus: CPUCount.allowed(), sharesPorts: supply.isShared,
                notifySockets: notifySockets)
            starts = Starts(spawner, story)
            pool = Pool(policy: policy, seed: try randomSeed())
        } catch {
            supply.removeFiles()
            throw .system(error)
        }
        identity = StatusReport.Identity(version: version, startedAt: WallClock.now())
        ports = Ports(supply, loop, story)
        emptyings = Emptyings(story)
        releases = Releases(settings, workerEnvironment, readingAgain: readSettings, story)
        deploys = Deploys(story)
        control = ControlServer(settings, loop, story, output)
        terminal = ControllingTerminal()
        workers = Workers(loop, story)
        startTrouble = StartTrouble(story)
        memoryWatch = MemoryWatch(loop, story)
    }

    /// Runs until the pool has ended; then nothing of it is left.
    ///
    /// - Returns: the exit status for the process.
    /// - Throws: what keeps it from starting; or a failure of the loop itself, which only a bug or a kernel without
    ///   memory can cause. Workers are killed then.
    public func run() throws(StartError) -> Int32 {
        defer {
            ports.removeSocketFiles()
            notifySockets.remove()
            output.end()
        }
        try makeFirstGeneration()
        try openControl()
        defer { closeControl() }
        guard let path = settings.pidFile else { return try runPool() }
        let pidFile: PidFile
        do throws(PidFileError) { pidFile = try PidFile(path) } catch { throw .pidFile(error) }
        defer { remove(pidFile) }
        return try runPool()
    }

    private func runPool() throws(StartError) -> Int32 {
        do throws(SystemError) {
            return try turn()
        } catch {
            hooks.killAll()
            workers.killAll()
            workers.killTheRest(orphanTerms)
            throw .system(error)
        }
    }

    private func turn() throws(SystemError) -> Int32 {
        try loop.watch(signals.channel, .signals)
        try loop.watch(timer.channel, .deadline)
        try loop.watch(lookTimer.channel, .looks)
        if let terminal { try loop.watch(terminal.channel, .terminal, [.readable, .edges]) }
        try control.watch()
        try manager.watch()
        tellStarted()
        beginFirstGeneration()
        handle(.start)
        while exitStatus == nil || !hooks.areDone {
            try timer.arm(pool.nextDeadline.map(clock.monotonic))
            try armLookTimer()
            let wasHeld = clock.isHeld
            let mayHaveMore = try loop.wait(blocking: !wasHeld)
            clock.hold(before: pool.nextDeadline)
            while let source = loop.next() { dispatch(source) }
            handleDeadline(allIsHeard: wasHeld && !mayHaveMore)
            hooks.startWaiting()
            if exitStatus != nil { hooks.end(at: MonotonicClock.now()) }
            try output.endTurn()
            try manager.endTurn()
            deploys.save()
            control.endTurn()
        }
        workers.killTheRest(orphanTerms)
        return exitStatus ?? 0
    }

    /// Answers one source. Its failure is told, and the other sources go on.
    private func dispatch(_ source: Source) {
        do throws(SystemError) {
            switch source {
            case .signals: try readSignals()
            case .terminal: try lookAtTerminal()
            case .deadline: try timer.acknowledge()
            case .output(let sink): output.flush(sink)
            case .manager: manager.flush()
            case .managerWatchdog: try manager.ping()
            case .exit(let worker): try workerExited(worker)
            case .readyPipe(let worker): hear(try workers.readReadyPipe(of: worker), from: worker)
            case .notifySocket(let worker): hear(try workers.readNotifySocket(of: worker), from: worker)
            case .stream(let stream): try output.read(stream)
            case .call(let worker): try answerCall(of: worker)
            case .survivor(let calls): try ports.answerCall(of: calls)
            case .queue(let socket): ports.queueHasSomebody(socket)
            case .looks:
                try lookTimer.acknowledge()
                tryDelayedStarts()
                lookAtEmptyings()
                try ports.look(kin: orphans, serving: serving)
                for ticks in try hooks.endOverdue(at: MonotonicClock.now()) {
                    workers.noteOrphans(ofHookStartedAt: ticks, orphanTerms)
                }
                lookAtMemory()
                startTrouble.tellSlowStarts(of: workers, in: pool.slots, listeners: ports.listeners)
            case .control: try control.accept()
            case .client(let client): if let request = control.serve(client) { answer(request, client) }
            case .hook(let hook): try reap(hook)
            case .keeper: keeper?.goOn()
            }
        } catch {
            story.tell(LogRecord(.error, "system_error", "\(error)"))
        }
    }

    private func handleDeadline(allIsHeard: Bool) {
        guard clock.isTimeForDeadline(allIsHeard: allIsHeard) else { return }
        // Nothing was heard of the workers because nothing ran: they get all of their time again, and the deadline is
        // no longer due.
        if clock.overslept >= PoolClock.longSleep {
            tellOverslept(clock.overslept)
            handle(.overslept)
        }
        handle(.deadline)
    }

    /// The contract with the core. Answers to effects wait until the effects before them are done.
    ///
    /// - Parameter asker: the person or process that asks for `event`, if the log is to name it.
    /// - Returns: what the core has reported; people have been told of it already.
    @discardableResult
    func handle(_ event: Event, askedBy asker: Asker? = nil) -> [Report] {
        var pending = [event]
        var reports: [Report] = []
        var next = 0
        while next < pending.count {
            let event = pending[next]
            let now = event == .deadline ? clock.goOn() : clock.now(before: pool.nextDeadline)
            pool.handle(event, now: now, effects: &effects)
            next += 1
            if pool.isEnding { ports.stopListening() }
            for effect in effects {
                if case .report(let report) = effect { reports.append(report) }
                if let answer = carryOut(effect, askedBy: asker) { pending.append(answer) }
            }
            effects.removeAll(keepingCapacity: true)
        }
        starts.forgetErrors()
        return reports
    }

    /// The settings in force.
    var settings: Settings { releases.settings }

    /// The time on the core's clock.
    var poolTime: Instant { clock.current }
}
