// The takeover: a daemon that is started where one of its name has died goes on with its workers and its sockets, as
// the keeper has kept them.
internal import CLinux
internal import Glibc
internal import Reloader

/// What is to be told of a takeover, and done by it.
struct Takeover {
    /// How long there was no daemon.
    let aloneFor: Duration
    /// The settings of this start.
    let settings: Settings
    /// How workers are recognised that nobody knows of.
    let strays: StraySearch
    /// Those that the dead daemon was setting up.
    let inSetUp: [Int32]
    /// Calls of bind(2) and listen(2) that the dead daemon had received, and may not have answered.
    let calls: [WorkerID: WaitingCall]

    static let callsKey = "calls"
}

extension Daemon {
    /// Starts a daemon: with nothing, or with what a dead daemon of its name has left.
    ///
    /// - Parameters: see `init`.
    public static func started(
        _ settings: Settings, version: String, launch: LaunchPlace, readingAgain: @escaping SettingsSource
    ) throws(StartError) -> Daemon {
        do throws(SystemError) { try openStandardDescriptors() } catch { throw .system(error) }
        let claim: NameClaim
        do throws(NameError) { claim = try NameClaim(settings, Environment.inherited()) } catch { throw .name(error) }
        guard let inheritance = claim.takeInheritance() else {
            return try Daemon(settings, version: version, launch: launch, claim, readingAgain: readingAgain)
        }
        do throws(StateError) {
            let rows = StateRows(inheritance.rows)
            defer { rows.closeOriginals() }
            return try Daemon(
                takingOver: inheritance, rows, settings, version: version, launch: launch, claim,
                readingAgain: readingAgain)
        } catch { throw .name(.cannotTakeOver(name: claim.name, reason: "\(error)")) }
    }

    /// What has happened while there was no daemon, and what the dead one did not come to do.
    func goOn(with takeover: Takeover) throws(SystemError) {
        tellTookOver(takeover)
        endStrays(takeover)
        for (id, call) in takeover.calls {
            guard let worker = workers[id] else { continue }
            callsUnderWay[id] = call
            try ports.ask(about: call, of: worker, permitted: settings.permittedPorts, isRepeated: true)
        }
        for worker in workers.all.sorted(by: { $0.id < $1.id }) {
            let isRunning = workers.running(pid: worker.pid) === worker
            if isRunning { handle(.spawned(worker.id)) }
            hear(try workers.readReadyPipe(of: worker), from: worker)
            hear(try workers.readNotifySocket(of: worker), from: worker)
            if isRunning { try workerExited(worker) }
        }
        try reapChildren()
        for worker in workers.leaving { try workers.watchLeftovers(of: worker) }
        steer()
        isTakingOver = true
        handle(.takenOver)
        isTakingOver = false
        handle(.deadline)
        keep()
        let policy = { (settings: Settings) in
            settings.resolvedPolicy(automaticWorkers: CPUCount.current().automatic, ports: self.ports.supply)
        }
        guard releases.differs(takeover.settings, policy: policy), !pool.isEnding else { return }
        do throws(ReloadRefusal) {
            let asker = Asker(pid: getppid(), userID: getuid())
            let (deploy, bad) = try prepareReload(DeployOrder(asker: asker))
            rollOut(deploy, sameAsBad: bad)
        } catch {}
    }

    private func tellTookOver(_ takeover: Takeover) {
        let living = workers.living
        let generations = Set(living.map { $0.generation.number }).sorted()
        let names = generations.map { String($0) }.joined(separator: ", ")
        story.tell(
            LogRecord(
                .warning, "took_over",
                "took over \(counted(living.count, "worker")) of a daemon that has died"
                    + (generations.isEmpty ? "" : ", of generation \(names)")
                    + ", after \(LogFormatter.seconds(takeover.aloneFor))s without a daemon",
                [
                    ("pid", .number(Int(getpid()))), ("workers", .number(living.count)),
                    ("generations", .text(names)), ("alone", .duration(takeover.aloneFor)),
                ]))
    }

    /// Workers that the dead daemon had started and that are in no row: some of their descriptors are gone with it.
    private func endStrays(_ takeover: Takeover) {
        let found = strays.end(takeover.strays, known: workers, orphanTerms, killAfter: settings.policy.stopTimeout)
        for stray in takeover.inSetUp + found {
            story.tell(
                LogRecord(
                    .warning, "stray_ended",
                    "pid \(stray) was started by the dead daemon in its last moment, and is asked to finish",
                    [("pid", .number(Int(stray)))]))
        }
    }
}
