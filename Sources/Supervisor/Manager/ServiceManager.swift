// What the service manager hears: when the daemon is ready, reloads and stops, in the words of sd_notify(3), and that
// its loop still turns. Silent if no manager listens.
internal import Glibc
internal import Reloader

final class ServiceManager {
    private let loop: Loop
    private let story: Story
    private var socket: ManagerSocket
    private let watchdog: ManagerWatchdog
    /// READY=1 was sent once.
    private var hasToldReady = false
    /// A RELOADING=1 still needs its own READY=1.
    private var owesReady = false

    init(_ environment: Environment, _ loop: Loop, _ story: Story) throws(SystemError) {
        self.loop = loop
        self.story = story
        socket = try ManagerSocket(environment)
        watchdog = try ManagerWatchdog(environment)
    }

    // MARK: for the daemon that comes next

    static let key = "manager"

    private struct State: Codable {
        let waiting: [[UInt8]]
        let hasToldReady: Bool
        let owesReady: Bool
    }

    func row() throws(StateError) -> StateRow {
        try StateRow(
            Self.key,
            State(waiting: socket.waitingDatagrams, hasToldReady: hasToldReady, owesReady: owesReady))
    }

    /// Takes over what `row` says. The socket and the watchdog are those of this process' environment.
    func goOn(_ rows: StateRows) throws(StateError) {
        let state = try rows.value(State.self, Self.key)
        socket.goOn(with: state.waiting)
        hasToldReady = state.hasToldReady
        owesReady = state.owesReady
    }

    static func check(_ rows: StateRows) throws(StateError) { _ = try rows.value(State.self, key) }

    // MARK: each turn

    /// Starts to ping the manager's watchdog, if it watches the daemon.
    func watch() throws(SystemError) {
        if let timer = watchdog.timer { try loop.watch(timer, .managerWatchdog) }
    }

    /// To be called when the watchdog's timer has fired.
    func ping() throws(SystemError) {
        guard watchdog.timer != nil else { return }
        try watchdog.acknowledge()
        send([ManagerWatchdog.ping])
    }

    /// Sends the datagrams that waited for room.
    func flush() {
        do throws(SystemError) { try socket.flush() } catch { tellFailure(error) }
    }

    /// Watches the socket only while something is left to send.
    func endTurn() throws(SystemError) {
        guard let channel = socket.channel else { return }
        let isWatched = channel.token != nil
        if socket.isWaiting == isWatched { return }
        if isWatched { try loop.unwatch(channel) } else { try loop.watch(channel, .manager, .writable) }
    }

    // MARK: what happens

    /// Tells that a reload was asked for. Both assignments are in one datagram, so that the manager can tell this
    /// reload from an earlier one.
    func reloadAsked(at now: Instant) {
        if !hasToldReady { return }
        owesReady = true
        send(["RELOADING=1", "MONOTONIC_USEC=\(now.nanoseconds / 1000)"])
    }

    /// - Parameter isRolling: an earlier reload goes on, and its end will be told.
    func reloadRefused(_ reason: String, isRolling: Bool) {
        if !isRolling { settle("Reload refused: \(reason)") }
    }

    /// Another program is about to go on in this process. To the manager that is a reload.
    func upgradeBegins(at now: Instant) {
        reloadAsked(at: now)
        if hasToldReady { send(["STATUS=Upgrading"]) }
    }

    func upgradeFailed(_ reason: String) { if hasToldReady { settle("Upgrade failed: \(reason)") } }

    func upgraded(to version: String) { if hasToldReady { settle("Upgraded to reloaderd \(version)") } }

    func hear(_ report: Report, _ pool: borrowing Pool) {
        guard socket.isPresent else { return }
        switch report {
        case .roll(let report): hear(report, pool)
        case .pool(let report): hear(report, pool)
        case .worker, .recycle: break
        }
    }

    private func hear(_ report: RollReport, _ pool: borrowing Pool) {
        switch report {
        case .began, .slotReplaced:
            let policy = pool.policy
            let time = policy.readyTimeout + (pool.roll?.plan.soak ?? policy.soak) + .seconds(5)
            send([
                "STATUS=Reloading: \(pool.slotsReplaced) of \(counted(policy.workers, "slot")) replaced",
                Self.extendTimeout(by: time),
            ])
        // The manager would not wait for a person's decision, so to it the reload has ended.
        case .canaryWaits(let target, let replaced, let workers, _):
            settle("\(replaced) of \(serving(workers)) generation \(target) on trial")
        case .failed(let target, let base, _, _, _, _), .timedOut(let target, let base, _, _):
            send(["STATUS=Reload to generation \(target) failed, going back to generation \(base)"])
        case .reverted(let target, let base, _):
            settle("Reload to generation \(target) failed; \(serving(pool.policy.workers)) generation \(base)")
        case .done(let target, let workers, _): settle("\(serving(workers)) generation \(target)")
        // A roll is aborted by a stop or a drain, which counts more and has just been told.
        case .aborted, .superseded, .promoted: break
        }
    }

    private func hear(_ report: PoolReport, _ pool: borrowing Pool) {
        switch report {
        case .ready(let workers, _):
            hasToldReady = true
            send(["READY=1", "STATUS=\(serving(workers)) generation \(pool.settledGeneration)"])
        case .paused: if pool.roll != nil { settle("Reload paused") }
        case .drainingAll: settle("Draining all workers")
        case .stopping:
            let time = Self.timeToStop(pool.policy) + .seconds(5)
            send(["STOPPING=1", "STATUS=Stopping", Self.extendTimeout(by: time)])
        case .backoffBegan, .resumed, .refused, .scaled, .gaveUp: break
        }
    }

    // MARK: words

    /// Ends a reload in the manager's eyes. The protocol has the same word for success and failure.
    private func settle(_ status: String) {
        send((owesReady ? ["READY=1"] : []) + ["STATUS=\(status)"])
        owesReady = false
    }

    private func send(_ assignments: [String]) {
        do throws(SystemError) { try socket.send(assignments) } catch { tellFailure(error) }
    }

    private func tellFailure(_ error: SystemError) {
        story.tell(LogRecord(.warning, "notify_failed", "cannot tell the service manager: \(error)"))
    }

    /// Asks for more time than the manager would wait otherwise.
    private static func extendTimeout(by duration: Duration) -> String {
        "EXTEND_TIMEOUT_USEC=\(max(0, duration.nanoseconds) / 1000)"
    }

    /// The time that the slowest worker may take.
    private static func timeToStop(_ policy: Policy) -> Duration {
        switch policy.drain {
        case .signal: policy.stopTimeout
        case .outside(let timeout): timeout + policy.stopTimeout
        }
    }

    /// How many workers serve: `1 worker serves`.
    private func serving(_ workers: Int) -> String {
        "\(counted(workers, "worker")) \(workers == 1 ? "serves" : "serve")"
    }
}
