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
    /// A call that the dead daemon had received, and may not have answered.
    let call: CallUnderWay?
}

/// A call of bind(2) or listen(2) that was received, and is not answered yet.
struct CallUnderWay: Codable {
    static let key = "call"

    let worker: WorkerID
    private let id: UInt64
    private let thread: Int32
    private let binds: Bool
    private let descriptor: Int32
    private let address: UInt64
    private let number: UInt64

    init(_ call: rl_call, of worker: WorkerProcess) {
        self.worker = worker.id
        (id, thread, binds, descriptor) = (call.id, call.thread, call.binds, call.descriptor)
        (address, number) = (call.address, call.number)
    }

    var call: rl_call {
        rl_call(id: id, thread: thread, binds: binds, descriptor: descriptor, address: address, number: number)
    }

    func row() throws(StateError) -> StateRow { try StateRow(Self.key, self) }
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
        if let call = takeover.call, let worker = workers[call.worker] { try answer(call.call, of: worker) }
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
        let found = strays.end(takeover.strays, known: workers, killAfter: settings.policy.stopTimeout)
        for stray in takeover.inSetUp + found {
            story.tell(
                LogRecord(
                    .warning, "stray_ended",
                    "pid \(stray) was started by the dead daemon in its last moment, and is asked to finish",
                    [("pid", .number(Int(stray)))]))
        }
    }
}
