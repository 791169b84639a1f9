// The workers that are being emptied. The helper looks at their connections when it is asked to; see `Emptying`.
internal import Reloader

/// Nothing announces that a connection becomes idle, so a timer drives the looks; while no worker is being emptied, no
/// timer is armed.
final class Emptyings {
    /// A look at ten thousand connections takes a while: at most a tenth of the time goes into one worker.
    private static let costFactor = 10
    private static let tellingInterval = Duration.seconds(5)

    /// One worker that is being emptied.
    struct Emptying {
        let worker: WorkerProcess
        let order: EmptyingOrder
        /// What the last look has found.
        fileprivate(set) var last = EmptyingLook()
        /// nil: the helper is looking.
        fileprivate var nextLook: Instant?
        fileprivate var lastToldAt: Instant

        var startedAt: Instant { order.startedAt }

        /// How long to wait before the next look: a short time at first, so that at most one request comes between two
        /// looks and a good moment is not missed; longer if clients take their time.
        fileprivate func pause(at now: Instant) -> Duration {
            let terms = EmptyingTerms(
                age: now - startedAt, limit: order.limit, shortestIdle: order.idle, isReplaced: true)
            if terms.isLastCall { return .milliseconds(10) }
            return switch now - startedAt {
            case ..<Duration.seconds(10): .milliseconds(10)
            case ..<Duration.seconds(60): .milliseconds(50)
            default: .milliseconds(250)
            }
        }
    }

    private let story: Story
    private var byWorker: [WorkerID: Emptying] = [:]

    init(_ story: Story) { self.story = story }

    subscript(worker: WorkerID) -> Emptying? { byWorker[worker] }

    /// No worker is being emptied.
    var areDone: Bool { byWorker.isEmpty }

    /// When to look at one of them next; nil if there is none, or all are being looked at.
    var nextLook: Instant? { byWorker.values.lazy.compactMap { $0.nextLook }.min() }

    /// Begins to empty a worker.
    ///
    /// - Parameters:
    ///   - listeners: those of its slot alone.
    ///   - takesConnections: if false, only the queues are waited for, and the worker finishes its connections itself.
    func begin(
        with worker: WorkerProcess, _ listeners: [Channel], takesConnections: Bool, _ settings: Settings,
        by helper: Helper
    ) {
        let now = MonotonicClock.now()
        let order = EmptyingOrder(
            takesConnections: takesConnections, idle: settings.drainIdle, limit: settings.drainTimeout, startedAt: now)
        byWorker[worker.id] = Emptying(worker: worker, order: order, nextLook: now, lastToldAt: now)
        helper.ask(.empty(worker.id, order), listeners)
    }

    /// Looks at the workers whose time has come.
    ///
    /// - Parameter isReplaced: other workers go on serving, so that nothing waits for the end of these.
    func look(isReplaced: Bool, by helper: Helper) {
        let now = MonotonicClock.now()
        for (id, emptying) in byWorker {
            guard let next = emptying.nextLook, next <= now else { continue }
            byWorker[id]?.nextLook = nil
            helper.ask(.look(id, isReplaced: isReplaced))
        }
    }

    /// The helper has looked. Returns `emptied` if nothing is left.
    func hear(_ look: EmptyingLook, of id: WorkerID, by helper: Helper) -> Event? {
        guard var emptying = byWorker[id] else { return nil }
        if look.isDone {
            byWorker[id] = nil
            helper.ask(.endEmptying(id))
            return .emptied(id)
        }
        let now = MonotonicClock.now()
        emptying.last = look
        emptying.nextLook = now + max(emptying.pause(at: now), look.took * Self.costFactor)
        let isWorthTelling = now - emptying.lastToldAt >= Self.tellingInterval
        if isWorthTelling { emptying.lastToldAt = now }
        byWorker[id] = emptying
        if isWorthTelling {
            tell(
                emptying, .info, "drain_waits",
                look.isBlind
                    ? "worker may have connections: not all of its processes can be looked at now"
                    : "worker still has connections")
        }
        return nil
    }

    /// Gives up on emptying the worker, because its time is over: it gets its stop signal.
    func end(with worker: WorkerID, by helper: Helper) {
        guard let emptying = byWorker.removeValue(forKey: worker) else { return }
        helper.ask(.endEmptying(worker))
        tell(emptying, .warning, "drain_timed_out", "worker is asked to finish while connections are still open")
    }

    /// Call it when the worker has ended.
    func forget(_ worker: WorkerID, by helper: Helper) {
        if byWorker.removeValue(forKey: worker) != nil { helper.ask(.endEmptying(worker)) }
    }

    private func tell(_ emptying: Emptying, _ level: LogRecord.Level, _ event: String, _ message: String) {
        let now = MonotonicClock.now()
        var fields: [(key: String, value: LogRecord.Value)] = [
            ("connections", .number(emptying.last.connections)), ("queue", .number(emptying.last.waiting)),
            ("for", .duration(now - emptying.startedAt)),
        ]
        let holders = emptying.last.holders.map { $0.words(at: now) }
        if !holders.isEmpty { fields.append(("held_by", .text(holders.joined(separator: "; ")))) }
        story.tell(emptying.worker.record(level, event, message, fields))
    }
}

extension EmptyingLook.Holder {
    /// How long the connection has been known: at most since the emptying began.
    func age(at now: Instant) -> Duration { now - since }

    /// `192.0.2.7:4711 12.3s: unused for 0.3s`
    func words(at now: Instant) -> String { "\(peer) \(LogFormatter.seconds(age(at: now)))s: \(reason)" }
}
