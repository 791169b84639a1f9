// The daemon: one thread, one loop. One event in, all effects out, then wait for what comes next or for the core's next
// deadline. It obeys the core and decides nothing about workers.
//
// Where to look: Daemon+Effects (what the core asks), Daemon+Workers (what is asked and heard of workers), Daemon+Ports
// (what comes of their ports), Daemon+Signals (what people ask by signal), Daemon+Requests (what they ask over the
// control socket), Daemon+Limits (what the control group allows), Daemon+Reload, Daemon+Story (what people are told),
// Daemon+Upgrade and Daemon+State (how another program goes on in the place of this one). All else is in rooms of its
// own.
internal import CLinux
internal import Glibc
internal import Reloader

public final class Daemon {
    /// As people and clients know this daemon.
    let identity: StatusReport.Identity
    /// By which this program was found; nil: it is not known.
    let programPath: String?
    /// Where it was started.
    let launch: LaunchPlace
    var pool: Pool
    private var clock: PoolClock
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
    let helper: Helper
    let ports: Ports
    let emptyings: Emptyings
    let output: Output
    let hooks: Hooks
    let control: ControlServer
    let releases: Releases
    let deploys: Deploys
    let workers: Workers
    let notifySockets: NotifyDirectory
    /// What an earlier run has left with the service manager.
    let storedListeners: StoredListeners
    let starts: Starts
    /// nil without --cgroup.
    let groups: WorkerGroups?
    let startTrouble: StartTrouble
    let memoryWatch: MemoryWatch
    let cpuWatch: CPUWatch
    let claim: NameClaim
    /// nil: the daemon has no place where another one would find it, and its workers may outlive it.
    private(set) var keeper: Keeper?
    var ledger = Ledger()
    let strays: Strays
    /// The core is asking for all that stands.
    var isTakingOver = false
    /// Calls of bind(2) and listen(2) that were received, and that the helper looks at: one of a worker at most.
    var callsUnderWay: [WorkerID: WaitingCall] = [:]
    let upgrade: Upgrade
    /// The limit of open files that the daemon was given.
    let fileLimit: ResourceLimit
    /// The upgrade that is being carried out in this moment.
    var orderUnderWay: UpgradeOrder?
    /// nil: there is none.
    private var pidFile: PidFile?
    /// What this program has come in the place of; nil: it was started.
    private var predecessor: Predecessor?
    /// For a reload, and for a worker in a slot that had one: a worker takes twelve descriptors while it starts, a new
    /// generation three while it is made, and each that is kept for a rollback two.
    let deployReserve: DescriptorReserve
    /// For clients of the control socket.
    let controlReserve: DescriptorReserve
    /// The dead daemon whose workers this one goes on with; nil: there is none.
    private var takeover: Takeover?
    /// The clock's lost time, as the keeper was told.
    private var keptSkippedTime = Duration.zero

    /// Opens everything, and starts nothing yet.
    ///
    /// - Parameters:
    ///   - version: the daemon's own, for people.
    ///   - launch: where it was started, for the program that may take the place of this one.
    ///   - readSettings: reads options and configuration again, at each reload.
    /// - Throws: what the daemon cannot do without. All that was opened is closed again.
    init(
        _ settings: Settings, version: String, launch: LaunchPlace, _ claim: NameClaim,
        readingAgain readSettings: @escaping SettingsSource
    ) throws(StartError) {
        let environment = Environment.inherited()
        let supply: PortSupply
        var stored = StoredListeners()
        let automaticWorkers = CPUCount.current().automatic
        // First of all: what is opened before could have the number of a listener that was promised and is not there.
        do throws(ListenError) {
            let slots = settings.workerCount(automatic: automaticWorkers)
            supply = try PortSupply(settings, environment, slots: slots, &stored)
        } catch { throw .listen(error) }
        let policy = settings.resolvedPolicy(automaticWorkers: automaticWorkers, ports: supply)
        if case .own(let obstacle?) = supply, policy.workers > 1 { throw .sharing(obstacle) }
        let outputFile: OutputSink?
        do throws(StartError) { outputFile = try Self.openOutputFile(settings) } catch {
            supply.removeFiles()
            throw error
        }
        do throws(WorkerGroupError) {
            groups = settings.hasGroups ? try WorkerGroups(memoryLimit: settings.memoryLimit) : nil
        } catch {
            supply.removeFiles()
            throw .groups(error)
        }
        let workerEnvironment = environment.withoutOuterSupervisor()
        do throws(SystemError) {
            try checked("prctl", "PR_SET_CHILD_SUBREAPER") { rl_become_subreaper() }
            story = try Story(settings, environment)
            loop = try Loop()
            output = try Output(settings.output, file: outputFile, loop, story)
            manager = try ServiceManager(environment, loop, story)
            signals = try SignalReader()
            timer = try DeadlineTimer()
            lookTimer = try DeadlineTimer()
            fileLimit = try raiseFileLimit()
            hooks = Hooks(environment: workerEnvironment, fileLimit: fileLimit, loop, story)
            notifySockets = NotifyDirectory(ControlPaths.runtimeDirectory(environment).placeOfNotifySockets, story)
            let spawner = try Spawner(
                name: settings.daemonName, listenerNames: supply.listeners.map { $0.name }, fileLimit: fileLimit,
                pipesOutput: output.pipesStandardOutput, pipesErrors: output.pipesStandardError,
                sharesPorts: supply.isShared,
                notifySockets: notifySockets, groups: groups)
            starts = Starts(spawner, loop, story)
            pool = Pool(policy: policy, seed: try randomSeed())
        } catch {
            supply.removeFiles()
            throw .system(error)
        }
        identity = StatusReport.Identity(version: version, startedAt: WallClock.now())
        self.launch = launch
        programPath = pathOfOwnProgram()
        clock = PoolClock()
        let (terms, isDirect) = supply.helperTerms
        helper = Helper(terms, name: settings.daemonName, isDirect: isDirect, loop, story)
        ports = Ports(supply, helper, loop, story)
        storedListeners = stored
        emptyings = Emptyings(story)
        releases = Releases(settings, workerEnvironment, readingAgain: readSettings, story)
        deploys = Deploys(story)
        control = ControlServer(settings, loop, story, output)
        terminal = ControllingTerminal()
        workers = Workers(loop, story)
        startTrouble = StartTrouble(story)
        memoryWatch = MemoryWatch(loop, story)
        cpuWatch = CPUWatch(loop, story)
        deployReserve = DescriptorReserve(28)
        controlReserve = DescriptorReserve(4)
        upgrade = Upgrade(loop, story)
        strays = Strays(loop.buffer)
        self.claim = claim
        makeKeeper(nil)
    }

    /// - Parameter taken: the keeper that there is already; nil: there is none.
    private func makeKeeper(_ taken: KeeperConnection?) {
        // Without an address there is nobody who could take over: a keeper could only end the workers.
        guard claim.keeperPath != nil || settings.endsOrphans || taken != nil else { return }
        keeper = Keeper(
            name: claim.name, path: claim.keeperPath, keeperTerms(), taken: taken, loop, story)
    }

    /// Goes on with what a dead daemon has left. Nothing is changed outside of this process before all has worked.
    init(
        takingOver inheritance: Inheritance, _ rows: StateRows, _ settings: Settings, version: String,
        launch: LaunchPlace, _ claim: NameClaim, readingAgain readSettings: @escaping SettingsSource
    ) throws(StateError) {
        let environment = Environment.inherited()
        let workerEnvironment = environment.withoutOuterSupervisor()
        let state = try rows.value(DaemonState.self, DaemonState.key)
        let released = try rows.value(Releases.State.self, Releases.key)
        // Those that are handed over again are the ones that the dead daemon had.
        do throws(ListenError) { _ = try InheritedListeners.take(environment) } catch { throw StateError("\(error)") }
        identity = StatusReport.Identity(version: version, startedAt: WallClock.now())
        self.launch = launch
        self.claim = claim
        programPath = pathOfOwnProgram()
        clock = PoolClock(skipped: state.skippedTime)
        pool = try DaemonState.pool(rows)
        groups = state.groups.map { WorkerGroups($0) }
        let outputFile: OutputSink?
        do throws(StartError) { outputFile = try Self.openOutputFile(released.settings) } catch {
            throw StateError("\(error)")
        }
        do throws(SystemError) {
            try checked("prctl", "PR_SET_CHILD_SUBREAPER") { rl_become_subreaper() }
            story = try Story(settings, environment)
            loop = try Loop()
            output = try Output(released.settings.output, file: outputFile, loop, story)
            manager = try ServiceManager(environment, loop, story)
            signals = try SignalReader()
            timer = try DeadlineTimer()
            lookTimer = try DeadlineTimer()
            fileLimit = try raiseFileLimit()
        } catch { throw StateError(error) }
        hooks = Hooks(environment: workerEnvironment, fileLimit: fileLimit, loop, story)
        let runtime = ControlPaths.runtimeDirectory(environment).placeOfNotifySockets
        notifySockets = try NotifyDirectory(runtime, rows, story)
        releases = try Releases(rows, released, workerEnvironment, readingAgain: readSettings, story)
        deploys = try Deploys(rows, story)
        control = ControlServer(settings, loop, story, output)
        workers = try Workers(rows, releases, notifySockets, output, loop, story)
        workers.adoptAll()
        ports = try Ports(rows, released.settings, hasDied: true, loop, story)
        helper = ports.helper
        do throws(SystemError) {
            let spawner = try Spawner(
                name: settings.daemonName, listenerNames: ports.listeners.map { $0.name }, fileLimit: fileLimit,
                pipesOutput: output.pipesStandardOutput, pipesErrors: output.pipesStandardError,
                sharesPorts: ports.supply.isShared, notifySockets: notifySockets, groups: groups)
            starts = Starts(spawner, loop, story)
        } catch { throw StateError(error) }
        emptyings = Emptyings(story)
        terminal = ControllingTerminal()
        startTrouble = StartTrouble(state.slowStarts, story)
        cpuWatch = CPUWatch(state.cpus, loop, story)
        // Those that the dead daemon has left with the service manager stay there.
        storedListeners = StoredListeners()
        memoryWatch = MemoryWatch(loop, story)
        upgrade = Upgrade(loop, story)
        deployReserve = DescriptorReserve(28)
        controlReserve = DescriptorReserve(4)
        strays = Strays(loop.buffer)
        let inSetUp = try strays.end(rows, killAfter: released.settings.policy.stopTimeout)
        ports.takeOver()
        releases.takeOwn(settings)
        let hasCalls = rows.has(Takeover.callsKey)
        let calls = hasCalls ? try rows.value([WorkerID: WaitingCall].self, Takeover.callsKey) : [:]
        takeover = Takeover(
            aloneFor: inheritance.aloneFor, settings: settings, strays: notifySockets.straySearch(), inSetUp: inSetUp,
            calls: calls)
        do throws(SystemError) {
            try workers.watch()
            try ports.watch()
            for worker in workers.all { ports.adopt(worker) }
        } catch { throw StateError(error) }
        makeKeeper(inheritance.keeper)
    }

    /// Goes on with the rows of another daemon. Nothing is changed outside of this process before all has worked.
    ///
    /// - Parameters:
    ///   - version: the daemon's own, for people.
    ///   - failure: why another program could not go on with the same rows; nil: none has tried.
    init(
        _ rows: StateRows, version: String, failure: String?, readingAgain readSettings: @escaping SettingsSource
    ) throws(StateError) {
        let environment = Environment.inherited()
        let state = try rows.value(DaemonState.self, DaemonState.key)
        let released = try rows.value(Releases.State.self, Releases.key)
        let settings = released.settings
        let workerEnvironment = environment.withoutOuterSupervisor()
        identity = StatusReport.Identity(version: version, startedAt: state.startedAt)
        launch = state.launch
        // A program that was executed by its descriptor alone has no other path than before.
        programPath = failure == nil ? pathOfOwnProgram() : state.programPath
        fileLimit = state.fileLimit
        clock = PoolClock(skipped: state.skippedTime)
        if let state = state.pidFile { pidFile = try PidFile(state, of: DaemonState.key, in: rows) }
        predecessor = Predecessor(order: state.order, version: state.version, failure: failure)
        pool = try DaemonState.pool(rows)
        groups = state.groups.map { WorkerGroups($0) }
        story = try Story(rows, settings, environment)
        do throws(SystemError) {
            try checked("prctl", "PR_SET_CHILD_SUBREAPER") { rl_become_subreaper() }
            _ = try raiseFileLimit()
            loop = try Loop()
            manager = try ServiceManager(environment, loop, story)
            signals = try SignalReader()
            timer = try DeadlineTimer()
            lookTimer = try DeadlineTimer()
        } catch { throw StateError(error) }
        output = try Output(rows, loop, story)
        try manager.goOn(rows)
        hooks = try Hooks(rows, environment: workerEnvironment, fileLimit: fileLimit, loop, story)
        let runtime = ControlPaths.runtimeDirectory(environment).placeOfNotifySockets
        notifySockets = try NotifyDirectory(runtime, rows, story)
        releases = try Releases(rows, released, workerEnvironment, readingAgain: readSettings, story)
        deploys = try Deploys(rows, story)
        control = try ControlServer(rows, loop, story, output)
        workers = try Workers(rows, releases, notifySockets, output, loop, story)
        ports = try Ports(rows, settings, loop, story)
        helper = ports.helper
        do throws(SystemError) {
            let spawner = try Spawner(
                name: settings.daemonName, listenerNames: ports.listeners.map { $0.name }, fileLimit: fileLimit,
                pipesOutput: output.pipesStandardOutput, pipesErrors: output.pipesStandardError,
                sharesPorts: ports.supply.isShared, notifySockets: notifySockets, groups: groups)
            starts = Starts(spawner, loop, story)
        } catch { throw StateError(error) }
        emptyings = Emptyings(story)
        terminal = ControllingTerminal()
        startTrouble = StartTrouble(state.slowStarts, story)
        cpuWatch = CPUWatch(state.cpus, loop, story)
        storedListeners = StoredListeners()
        memoryWatch = MemoryWatch(loop, story)
        upgrade = Upgrade(loop, story)
        deployReserve = DescriptorReserve(28)
        controlReserve = DescriptorReserve(4)
        strays = Strays(loop.buffer)
        claim = try NameClaim(rows)
        makeKeeper(try Keeper.connection(rows))
        do throws(SystemError) {
            try watch()
            try workers.watch()
            try hooks.watch()
            try ports.watch()
            for worker in workers.all { ports.adopt(worker) }
            try control.goOn()
        } catch { throw StateError(error) }
    }

    /// All rows of the state, at the end of a turn.
    func rows() throws(StateError) -> [StateRow] {
        var rows = [try daemonRow(pidFile: pidFile, order: orderUnderWay)] + (try DaemonState.rows(of: pool))
        rows += try releases.rows(workers.all.map { $0.generation })
        for worker in workers.all { rows += try workers.rows(of: worker, notifySockets) }
        rows.append(try workers.row())
        rows.append(try story.row())
        rows.append(try output.row())
        rows.append(try manager.row())
        rows.append(try hooks.row())
        rows.append(try notifySockets.row())
        rows.append(try deploys.row())
        rows.append(try control.row())
        rows.append(try ports.row())
        rows.append(try helper.row())
        rows.append(try claim.row())
        if let keeper { rows.append(try keeper.row()) } else { rows.append(try Keeper.rowOfNone()) }
        return rows
    }

    func daemonRow(pidFile: PidFile?, order: UpgradeOrder?) throws(StateError) -> StateRow {
        var descriptors = RowDescriptors()
        let state = DaemonState(
            version: identity.version, startedAt: identity.startedAt, programPath: programPath, launch: launch,
            fileLimit: fileLimit, skippedTime: clock.skippedTime, slowStarts: startTrouble.state,
            pidFile: pidFile?.state(&descriptors), order: order, cpus: cpuWatch.state, groups: groups?.state)
        return try StateRow(DaemonState.key, state, descriptors)
    }

    /// Runs until the pool has ended; then nothing of it is left.
    ///
    /// - Returns: the exit status for the process.
    /// - Throws: what keeps it from starting; or a failure of the loop itself, which only a bug or a kernel without
    ///   memory can cause. Workers are killed then.
    public func run() throws(StartError) -> Int32 {
        defer {
            helper.end()
            // The workers of a dead daemon go on if this one can't be in charge of them.
            if takeover == nil {
                ports.removeSocketFiles()
                notifySockets.remove()
                groups?.end()
            }
            output.end()
        }
        defer { letGoOfName() }
        if predecessor == nil {
            if takeover == nil { try makeFirstGeneration() }
            try openControl()
        }
        defer { closeControl() }
        if predecessor == nil, let path = settings.pidFile {
            do throws(PidFileError) { pidFile = try PidFile(path) } catch { throw .pidFile(error) }
        }
        defer { if let pidFile { remove(pidFile) } }
        return try runPool()
    }

    private func letGoOfName() {
        guard takeover == nil else { return }
        keeper?.end()
        do throws(SystemError) { try claim.remove() } catch {
            story.tell(LogRecord(.warning, "not_removed", "cannot remove the lock of the daemon's name: \(error)"))
        }
    }

    private func runPool() throws(StartError) -> Int32 {
        do throws(SystemError) {
            return try turn()
        } catch {
            hooks.killAll()
            starts.killAll()
            workers.killAll()
            workers.killTheRest(orphanTerms)
            throw .system(error)
        }
    }

    private func turn() throws(SystemError) -> Int32 {
        keeper?.start()
        helper.know(keeper: keeper?.pid)
        if let takeover {
            try watch()
            notifySockets.goOn()
            clock.hold(before: pool.nextDeadline)
            self.takeover = nil
            try goOn(with: takeover)
        } else if let predecessor {
            notifySockets.goOn()
            tellSucceeded(predecessor)
            try manager.ping()
            // What has happened meanwhile may have left no signal.
            try reapChildren()
            followCPUs()
        } else {
            try watch()
            tellStarted()
            storeListeners()
            beginFirstGeneration()
            handle(.start)
            followCPUs()
        }
        try endTurn()
        while exitStatus == nil || !hooks.areDone {
            try timer.arm(pool.nextDeadline.map(clock.monotonic))
            try armLookTimer()
            let wasHeld = clock.isHeld
            let mayHaveMore = try loop.wait(blocking: !wasHeld)
            clock.hold(before: pool.nextDeadline)
            while let source = loop.next() { dispatch(source) }
            hearHelper()
            handleDeadline(allIsHeard: wasHeld && !mayHaveMore)
            hearHelper()
            try endTurn()
            if goOnWithUpgrade() { try endTurn() }
        }
        workers.killTheRest(orphanTerms)
        return exitStatus ?? 0
    }

    /// What was left for the end of a turn: after it nothing waits in this process but what the rows say.
    private func endTurn() throws(SystemError) {
        hooks.startWaiting()
        if exitStatus != nil { hooks.end(at: MonotonicClock.now()) }
        try output.endTurn()
        try manager.endTurn(pool, at: poolTime)
        deploys.save()
        control.endTurn()
        // This one first: what a client has given back is for the next client.
        controlReserve.refill()
        deployReserve.refill()
        noteLostTime()
        keep()
        helper.know(keeper: keeper?.pid)
    }

    /// The clock of a daemon that takes over may be a little ahead, and never back.
    private func noteLostTime() {
        guard clock.skippedTime - keptSkippedTime > Self.lostTimeMin else { return }
        keptSkippedTime = clock.skippedTime
        ledger.note(.daemon)
    }

    private static let lostTimeMin = Duration.milliseconds(100)

    private func watch() throws(SystemError) {
        try loop.watch(signals.channel, .signals)
        try loop.watch(timer.channel, .deadline)
        try loop.watch(lookTimer.channel, .looks)
        if let terminal { try loop.watch(terminal.channel, .terminal, [.readable, .edges]) }
        try control.watch()
        try manager.watch()
        try cpuWatch.watch()
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
            case .starting(let starting): try lookAtStart(starting)
            case .exit(let worker): try workerExited(worker)
            case .readyPipe(let worker): hear(try workers.readReadyPipe(of: worker), from: worker)
            case .notifySocket(let worker): hear(try workers.readNotifySocket(of: worker), from: worker)
            case .stream(let stream): try output.read(stream)
            case .call(let worker): try takeCall(of: worker)
            case .helper: helper.hear()
            case .helperStart(let process): try helper.lookAtStart(of: process)
            case .survivor(let calls): try ports.answerCall(of: calls)
            case .queue(let inode): ports.queueHasSomebody(inode)
            case .cpus:
                try cpuWatch.acknowledge()
                followCPUs()
            case .looks:
                try lookTimer.acknowledge()
                try lookAtStarts()
                helper.checkTime()
                emptyings.look(isReplaced: pool.phase == .running, by: helper)
                ports.look()
                for ticks in try hooks.endOverdue(at: MonotonicClock.now()) {
                    workers.noteOrphans(ofHookStartedAt: ticks, orphanTerms)
                }
                lookAtMemory()
                try lookAtPreflight()
                for worker in workers.unreaped { try workerExited(worker) }
                strays.look()
                keeper?.lookAtPatience()
                startTrouble.tellSlowStarts(of: workers, in: pool.slots, listeners: ports.listeners)
            case .control: try control.accept(controlReserve)
            case .client(let client): if let request = control.serve(client) { answer(request, client) }
            case .hook(let hook): try reap(hook)
            case .leftover(let worker, let process): try leftoverHasEnded(process, of: worker)
            case .keeper: keeper?.look()
            case .preflight(let preflight): try look(at: preflight)
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
            if pool.isEnding {
                ports.stopListening()
                starts.end()
            }
            if effects.contains(where: { $0.isAct }) { keep() }
            for effect in effects {
                if case .spawn = effect { keep() }
                if case .report(let report) = effect { reports.append(report) }
                if let answer = carryOut(effect, askedBy: asker) { pending.append(answer) }
            }
            effects.removeAll(keepingCapacity: true)
        }
        starts.forgetErrors()
        return reports
    }

    /// The keeper has other terms after a reload.
    func renewKeeper() { keeper?.renew(keeperTerms()) }

    /// The settings in force.
    var settings: Settings { releases.settings }

    /// The time on the core's clock.
    var poolTime: Instant { clock.current }
}
