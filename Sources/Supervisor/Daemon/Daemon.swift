// The daemon: one thread, one loop. One event in, all effects out, then wait for what comes next or for the core's next
// deadline. It obeys the core and decides nothing about workers.
//
// Where to look: Daemon+Effects (what the core asks), Daemon+Workers (what is asked and heard of workers), Daemon+Ports
// (what comes of their ports), Daemon+Signals (what people ask by signal), Daemon+Control and Daemon+Requests (what
// they ask over the control socket), Daemon+Hooks (whom the user wants told), Daemon+Story (what people are told).
internal import CLinux
internal import Glibc
internal import Reloader

public final class Daemon {
    /// How many batches a due deadline waits for: a flood must not hold up time for ever.
    private static let postponementsMax = 32

    var settings: Settings
    let readSettings: SettingsSource
    let version: String
    let environment: Environment
    let workerEnvironment: Environment
    var pool: Pool
    private var clock = PoolClock()

    let loop: Loop
    var timer: DeadlineTimer
    let signals: SignalReader
    /// Who asks for what is being handled, where that was by a signal.
    var asker: Asker?
    /// nil: the daemon was started without one.
    let terminal: ControllingTerminal?
    /// Each is told once.
    var hasToldHangUp = false
    var hasToldWinch = false
    let story: Story
    var manager: ServiceManager
    let managerWatchdog: ManagerWatchdog
    let ports: Ports
    let emptyings: Emptyings
    let output: Output
    var hooks = HookQueue()

    /// For `Source.looks`.
    var lookTimer: DeadlineTimer

    /// Without a socket until `openControl`.
    var control = ControlServer(nil, group: nil, name: "", history: DeployHistory(path: nil))
    /// On the wall clock, for people.
    let startedAt = WallClock.now()

    var generations: [Int: Generation] = [:]
    var newestGeneration = 1
    /// Of the newest generation, and of those that have failed.
    var traces: [Int: GenerationTrace] = [:]
    let workers: Workers
    let starts: Starts
    let startTrouble: StartTrouble
    let memoryWatch: MemoryWatch
    /// READY=1 was sent once; and a RELOADING=1 still needs its own.
    var hasToldReady = false
    var owesReady = false
    var exitStatus: Int32?

    private var pending: [Event] = []
    private var effects: [Effect] = []
    private var postponements = 0

    /// Opens everything, and starts nothing yet.
    ///
    /// - Parameters:
    ///   - version: the daemon's own, for people.
    ///   - readSettings: reads options and configuration again, at each reload.
    /// - Throws: what can't be had; all that was opened is closed again.
    public init(
        _ settings: Settings, version: String, readingAgain readSettings: @escaping SettingsSource
    ) throws(StartError) {
        let environment = Environment.inherited()
        do throws(SystemError) { try openStandardDescriptors() } catch { throw .system(error) }
        let outputFile = try Self.openOutputFile(settings.output)
        let supply: PortSupply
        do throws(ListenError) { supply = try PortSupply(settings, environment) } catch { throw .listen(error) }
        let policy = settings.resolvedPolicy(automaticWorkers: CPUCount.current().automatic, ports: supply)
        if case .own(let obstacle?) = supply, policy.workers > 1 { throw .sharing(obstacle) }
        do throws(SystemError) {
            try checked("prctl", "PR_SET_CHILD_SUBREAPER") { rl_become_subreaper() }
            story = try Story(format: settings.logFormat, name: settings.name, environment: environment)
            loop = try Loop()
            output = try Output(settings.output, file: outputFile, loop, story)
            manager = try ServiceManager(environment)
            managerWatchdog = try ManagerWatchdog(environment)
            signals = try SignalReader()
            timer = try DeadlineTimer()
            lookTimer = try DeadlineTimer()
            let spawner = try Spawner(
                name: settings.daemonName, listenerNames: supply.listeners.map { $0.name },
                fileLimit: try raiseFileLimit(), pipesOutput: output.pipesStandardOutput,
                pipesErrors: output.pipesStandardError, cpus: CPUCount.allowed(), sharesPorts: supply.isShared)
            starts = Starts(spawner, story)
            pool = Pool(policy: policy, seed: try randomSeed())
        } catch {
            supply.removeFiles()
            throw .system(error)
        }
        self.settings = settings
        self.version = version
        self.readSettings = readSettings
        self.environment = environment
        ports = Ports(supply, loop, story)
        emptyings = Emptyings(story)
        workerEnvironment = environment.withoutOuterSupervisor()
        terminal = ControllingTerminal()
        workers = Workers(loop, story)
        startTrouble = StartTrouble(story)
        memoryWatch = MemoryWatch(loop, story)
    }

    /// Runs until the pool has ended; then nothing of it is left.
    ///
    /// - Returns: the exit status for the process.
    /// - Throws: what keeps it from starting; or a failure of the loop itself, which has no cause but a bug or a kernel
    ///   out of memory. Workers are killed then.
    public func run() throws(StartError) -> Int32 {
        defer {
            ports.removeSocketFiles()
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
            killHooks()
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
        try watchControl()
        if let timer = managerWatchdog.timer { try loop.watch(timer, .managerWatchdog) }
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
            startHooks()
            if exitStatus != nil { hooks.end(by: MonotonicClock.now() + HookQueue.lastMoment) }
            try output.endTurn()
            try watchManager()
            try endControlTurn()
        }
        workers.killTheRest(orphanTerms)
        return exitStatus ?? 0
    }

    /// One descriptor's failure is told, and costs nobody else anything.
    private func dispatch(_ source: Source) {
        do throws(SystemError) {
            switch source {
            case .signals: try readSignals()
            case .terminal: try lookAtTerminal()
            case .deadline: try timer.acknowledge()
            case .output(let sink): output.flush(sink)
            case .manager: flushManager()
            case .managerWatchdog:
                try managerWatchdog.acknowledge()
                sendManager([ManagerWatchdog.ping])
            case .exit(let worker): try workerExited(worker)
            case .readyPipe(let worker): hear(try workers.readReadyPipe(of: worker), from: worker)
            case .notifySocket(let worker): hear(try workers.readNotifySocket(of: worker), from: worker)
            case .stream(let stream): try output.read(stream)
            case .call(let worker): try answerCall(of: worker)
            case .queue(let socket): ports.queueHasSomebody(socket)
            case .looks:
                try lookTimer.acknowledge()
                tryDelayedStarts()
                lookAtEmptyings()
                try ports.look(kin: orphans, serving: serving)
                try endOverdueHooks()
                lookAtMemory()
                startTrouble.tellSlowStarts(of: workers, in: pool.slots, listeners: ports.listeners)
            case .control: try acceptClients()
            case .client(let client): serve(client)
            case .hook(let hook): try hookExited(hook)
            }
        } catch {
            story.tell(LogRecord(.error, "system_error", "\(error)"))
        }
    }

    /// - Parameter allIsHeard: the news of all that had happened when the deadline was due.
    private func handleDeadline(allIsHeard: Bool) {
        guard clock.isHeld else { return }
        if !allIsHeard && postponements < Self.postponementsMax {
            postponements += 1
            return
        }
        postponements = 0
        // Who was not heard because nobody ran has all of its time again; the deadline is then due no more.
        if clock.overslept >= PoolClock.longSleep {
            tellOverslept(clock.overslept)
            handle(.overslept)
        }
        handle(.deadline)
    }

    /// The contract with the core. Answers to effects wait until the effects before them are done.
    ///
    /// - Returns: what the core has told, which people have been told already.
    @discardableResult
    func handle(_ event: Event) -> [Report] {
        pending.append(event)
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
                if let answer = carryOut(effect) { pending.append(answer) }
            }
            effects.removeAll(keepingCapacity: true)
        }
        pending.removeAll(keepingCapacity: true)
        starts.forgetErrors()
        return reports
    }

    /// The time that the core lives in.
    var poolTime: Instant { clock.current }
}
