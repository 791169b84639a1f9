// The workers that are emptied now. Connections can only be looked at, so time drives it; while no worker is emptied,
// nothing is armed for it.
internal import Reloader

final class Emptyings {
    private let story: Story
    private var byWorker: [WorkerID: Emptying] = [:]

    init(_ story: Story) { self.story = story }

    subscript(worker: WorkerID) -> Emptying? { byWorker[worker] }

    /// When one of them is to be looked at next; nil: there is none.
    var nextLook: Instant? { byWorker.values.lazy.map { $0.nextLook }.min() }

    /// Yields `emptied` at once if there is nothing to see off.
    ///
    /// - Parameters:
    ///   - sockets: those whose queues the worker has to empty.
    ///   - takesConnections: else only the queues are waited for, and the worker sees its connections off itself.
    func begin(
        with worker: WorkerProcess, _ sockets: [SharedSocket], takesConnections: Bool, _ settings: Settings
    ) -> Event? {
        if sockets.isEmpty { return .emptied(worker.id) }
        byWorker[worker.id] = Emptying(
            worker, sockets: sockets, takesConnections: takesConnections, idle: settings.drainIdle,
            limit: settings.drainTimeout, at: MonotonicClock.now())
        return nil
    }

    /// Looks at those whose time has come; yields `emptied` for each that is done.
    ///
    /// - Parameter isReplaced: other workers serve on, so that nobody waits for the end of these.
    func look(isReplaced: Bool) -> [Event] {
        let now = MonotonicClock.now()
        var events: [Event] = []
        for (id, emptying) in byWorker where emptying.nextLook <= now {
            if emptying.isDone(at: now, isReplaced: isReplaced) {
                byWorker[id] = nil
                events.append(.emptied(id))
            } else if emptying.isWorthTelling(at: now) {
                tell(
                    emptying, .info, "drain_waits",
                    emptying.isBlind
                        ? "worker may have connections: not all of its processes can be looked at now"
                        : "worker still has connections")
            }
        }
        return events
    }

    /// The time for it is over: the worker gets its stop signal.
    func end(with worker: WorkerID) {
        guard let emptying = byWorker.removeValue(forKey: worker) else { return }
        tell(emptying, .warning, "drain_timed_out", "worker is asked to finish with connections open")
    }

    /// The worker has ended.
    func forget(_ worker: WorkerID) { byWorker[worker] = nil }

    private func tell(_ emptying: Emptying, _ level: LogRecord.Level, _ event: String, _ message: String) {
        let now = MonotonicClock.now()
        var fields: [(key: String, value: LogRecord.Value)] = [
            ("connections", .number(emptying.connections)), ("queue", .number(emptying.waiting)),
            ("for", .duration(now - emptying.startedAt)),
        ]
        let holders = emptying.holders(atMost: Emptying.holdersShown, at: now)
        if !holders.isEmpty { fields.append(("held_by", .text(holders.map { $0.words }.joined(separator: "; ")))) }
        story.tell(emptying.worker.record(level, event, message, fields))
    }
}
