// The daemon: one thread, one loop. One event in, all effects out, then wait for what comes next or for the core's next
// deadline. It obeys the core and decides nothing about workers.
//
// Where to look: Daemon+Effects (what the core asks), Daemon+Workers (what is heard of workers), Daemon+Leftovers (what they leave behind), Daemon+Signals (what
// people ask by signal), Daemon+Control and Daemon+Requests (what they ask over the control socket), Daemon+Output (what
// workers write), Daemon+Hooks (whom the user wants told), Daemon+Story (what people are told).
internal import CLinux
internal import Glibc
internal import Reloader

public final class Daemon {
    /// What a registered descriptor is for.
    enum Source {
        case signals
        case terminal
        case deadline
        case output(OutputSink)
        case manager
        case managerWatchdog
        case exit(WorkerID)
        case readyPipe(WorkerID)
        case notifySocket(WorkerID)
        case stream(WorkerStream)
        /// A worker waits in a call for an answer.
        case call(WorkerID)
        /// Somebody waits to be accepted from a socket that workers share a port by.
        case queue(SharedSocket)
        /// Time to look at drains, at hooks that have run long enough, and at starts that wait.
        case drains
        /// Somebody wants to be a client of the control socket.
        case control
        case client(Int)
        case hook(Int)
    }

    /// How many batches a due deadline waits for: a flood must not hold up time for ever.
    private static let postponementsMax = 32

    var settings: Settings
    let readSettings: SettingsSource
    let version: String
    let environment: Environment
    let workerEnvironment: Environment
    var pool: Pool
    private var clock = PoolClock()

    var poller: Poller
    var timer: DeadlineTimer
    let signals: SignalReader
    /// Who asks for what is being handled, where that was by a signal.
    var asker: Asker?
    /// nil: the daemon was started without one.
    let terminal: ControllingTerminal?
    /// Each is told once.
    var hasToldHangUp = false
    var hasToldWinch = false
    var log: Log
    var manager: ServiceManager
    let managerWatchdog: ManagerWatchdog
    var spawner: Spawner
    /// Those that workers are handed; none any more when the pool stops.
    var listeners: [Listener]
    let redirections: Redirections
    let roads: OutputRoads
    var hooks = HookQueue()

    /// nil: all workers accept from the same listeners.
    var slotListeners: SlotListeners?
    /// Why the one worker has its ports for itself, where that was not asked for.
    let obstacleToSharing: SystemError?
    /// nil: workers bind as they like.
    let sharing: PortSharing?
    /// Somebody has begun or ceased to serve.
    var needsSteering = false
    private var hasStoppedListening = false
    var drainTimer: DeadlineTimer
    var emptyings: [WorkerID: Emptying] = [:]
    /// When the memory of workers is looked at next.
    var memoryLookAt: Instant?
    let memoryGauge = MemoryGauge()
    /// Workers that are not ready yet, and when that is worth telling. Nobody is woken for one that is.
    var slowStarts: [WorkerID: Instant] = [:]

    /// Without a socket until `openControl`.
    var control = ControlServer(nil, group: nil, name: "", history: DeployHistory(path: nil))
    /// On the wall clock, for people.
    let startedAt = WallClock.now()

    var generations: [Int: Generation] = [:]
    var newestGeneration = 1
    /// Of the newest generation, and of those that have failed.
    var traces: [Int: GenerationTrace] = [:]
    var workers: [WorkerID: WorkerProcess] = [:]
    var workersByPID: [Int32: WorkerID] = [:]
    let adopted: Orphans
    var outOfMemoryKills = OutOfMemoryKills()
    /// Workers that have ended, and left something.
    var leaving: Set<WorkerID> = []
    var hooksMayHaveLeft = false
    /// Until the core has reported on them.
    var spawnErrors: [WorkerID: SpawnError] = [:]
    /// Not answered yet.
    var delayedStarts: [DelayedStart] = []
    var sources: [Poller.Token: Source] = [:]
    /// Registered while the service manager's socket is full.
    var managerToken: Poller.Token?
    /// READY=1 was sent once; and a RELOADING=1 still needs its own.
    var hasToldReady = false
    var owesReady = false
    var exitStatus: Int32?

    /// Bytes read from one worker in a turn: one that floods is read in turns like everybody else.
    let turnBuffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 16)
    /// The whole lines of such a turn.
    var lineBuffer: [UInt8] = []
    /// Counts what was read from workers: the order in which their lines came.
    var lastReadNumber = 0

    private var pending: [Event] = []
    private var isHandling = false
    private var effects: [Effect] = []
    private var tokens: [Poller.Token] = []
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
        let listeners = try Self.openListeners(settings, environment)
        let slotListeners = try Self.openSlotListeners(settings, listeners)
        let automaticWorkers = CPUCount.current().automatic
        let obstacle = listeners.isEmpty && settings.sharesPorts ? Self.obstacleToSharing() : nil
        let sharesPorts = listeners.isEmpty && settings.sharesPorts && obstacle == nil
        var policy = settings.resolvedPolicy(automaticWorkers: automaticWorkers, sharing: sharesPorts)
        if obstacle != nil { policy = settings.policyWithoutSharing(policy) }
        if let obstacle, policy.workers > 1 { throw .sharing(obstacle) }
        do throws(SystemError) {
            try checked("prctl", "PR_SET_CHILD_SUBREAPER") { rl_become_subreaper() }
            log = try Log(format: settings.logFormat, name: settings.name, environment: environment)
            roads = try OutputRoads(settings.output, log: log.sink, file: outputFile)
            manager = try ServiceManager(environment)
            managerWatchdog = try ManagerWatchdog(environment)
            signals = try SignalReader()
            timer = try DeadlineTimer()
            drainTimer = try DeadlineTimer()
            poller = try Poller()
            spawner = try Spawner(
                name: settings.daemonName, listenerNames: listeners.map { $0.name }, fileLimit: try raiseFileLimit(),
                pipesOutput: roads.standardOutput != nil, pipesErrors: roads.standardError != nil,
                cpus: CPUCount.allowed(), sharesPorts: sharesPorts)
            pool = Pool(policy: policy, seed: try randomSeed())
        } catch {
            Self.removeFiles(of: listeners)
            throw .system(error)
        }
        self.settings = settings
        self.version = version
        self.readSettings = readSettings
        self.environment = environment
        self.listeners = listeners
        workerEnvironment = environment.withoutOuterSupervisor()
        redirections = Redirections()
        terminal = ControllingTerminal()
        adopted = Orphans(turnBuffer)
        obstacleToSharing = obstacle
        self.slotListeners = slotListeners
        sharing =
            sharesPorts
            ? PortSharing(excluding: settings.unsharedPorts, udp: settings.sharesUDP, backlog: settings.backlog) : nil
    }

    deinit { turnBuffer.deallocate() }

    /// Runs until the pool has ended; then nothing of it is left.
    ///
    /// - Returns: the exit status for the process.
    /// - Throws: what keeps it from starting; or a failure of the loop itself, which has no cause but a bug or a kernel
    ///   out of memory. Workers are killed then.
    public func run() throws(StartError) -> Int32 {
        defer {
            removeSocketFiles()
            endOutput()
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
            return try loop()
        } catch {
            killHooks()
            for worker in workers.values where !leaving.contains(worker.id) {
                _ = rl_kill_with_group(worker.exit.number, worker.pid)
            }
            killTheRest()
            throw .system(error)
        }
    }

    private func loop() throws(SystemError) -> Int32 {
        sources[try poller.add(signals.descriptor.number, .readable)] = .signals
        sources[try poller.add(timer.descriptor.number, .readable)] = .deadline
        sources[try poller.add(drainTimer.descriptor.number, .readable)] = .drains
        if let terminal { try watch(terminal.channel, .terminal, [.readable, .edges]) }
        try watchControl()
        if let number = managerWatchdog.number { sources[try poller.add(number, .readable)] = .managerWatchdog }
        tellStarted()
        beginFirstGeneration()
        handle(.start)
        while exitStatus == nil || !hooks.areDone {
            try timer.arm(pool.nextDeadline.map(clock.monotonic))
            try armDrainTimer()
            let wasHeld = clock.isHeld
            let mayHaveMore = try poller.wait(into: &tokens, blocking: !wasHeld)
            clock.hold(before: pool.nextDeadline)
            for token in tokens { dispatch(token) }
            handleDeadline(allIsHeard: wasHeld && !mayHaveMore)
            startHooks()
            if exitStatus != nil { hooks.end(by: MonotonicClock.now() + HookQueue.lastMoment) }
            try watchSinks()
            try watchManager()
            try endControlTurn()
        }
        killTheRest()
        return exitStatus ?? 0
    }

    /// One descriptor's failure is told, and costs nobody else anything.
    private func dispatch(_ token: Poller.Token) {
        guard let source = sources[token] else { return }  // closed earlier in this batch
        do throws(SystemError) {
            switch source {
            case .signals: try readSignals()
            case .terminal: try lookAtTerminal()
            case .deadline: try timer.acknowledge()
            case .output(let sink): flush(sink)
            case .manager: flushManager()
            case .managerWatchdog:
                try managerWatchdog.acknowledge()
                sendManager([ManagerWatchdog.ping])
            case .exit(let id): try workerExited(id)
            case .readyPipe(let id): try readReadyPipe(id)
            case .notifySocket(let id): try readNotifySocket(id)
            case .stream(let stream): try readStream(stream)
            case .call(let id): try answerCall(of: id)
            case .queue(let socket): sharing?.queueHasSomebody(socket, at: MonotonicClock.now())
            case .drains:
                tryDelayedStarts()
                try lookAtDrains()
                try lookAtSharedSockets()
                try endOverdueHooks()
                lookAtMemory()
                tellSlowStarts()
            case .control: try acceptClients()
            case .client(let number): serveClient(number)
            case .hook(let number): try hookExited(number)
            }
        } catch {
            write(LogRecord(.error, "system_error", "\(error)"))
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
    func handle(_ event: Event) {
        pending.append(event)
        if isHandling { return }
        isHandling = true
        defer { isHandling = false }
        var next = 0
        while next < pending.count {
            let event = pending[next]
            let now = event == .deadline ? clock.goOn() : clock.now(before: pool.nextDeadline)
            pool.handle(event, now: now, effects: &effects)
            next += 1
            if pool.isEnding { stopListening() }
            for effect in effects {
                if let answer = carryOut(effect) { pending.append(answer) }
            }
            effects.removeAll(keepingCapacity: true)
        }
        pending.removeAll(keepingCapacity: true)
        spawnErrors.removeAll()
        steer()
    }

    /// The pool stops. What workers have accepted, and what waits for them, is theirs to answer; nobody new is let in, and as
    /// soon as a worker closes a socket of ours it is closed.
    private func stopListening() {
        if hasStoppedListening { return }
        hasStoppedListening = true
        if let error = sharing?.refuseConnections().first {
            write(
                LogRecord(
                    .warning, "not_refused",
                    "new connections cannot be refused while workers drain: \(error) (those left at the end are reset)")
            )
        }
        removeSocketFiles()
        listeners = []
        slotListeners = nil
    }

    /// The time that the core lives in.
    var poolTime: Instant { clock.current }

    func watch(_ channel: Channel, _ source: Source, _ interest: Poller.Interest = .readable) throws(SystemError) {
        let token = try poller.add(channel.number, interest)
        sources[token] = source
        channel.token = token
    }

    /// Must come before the channel is dropped. Does nothing to one that is not watched.
    func unwatch(_ channel: Channel) throws(SystemError) {
        guard let token = channel.token else { return }
        channel.token = nil
        sources[token] = nil
        try poller.remove(channel.number)
    }
}
