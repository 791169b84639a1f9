// The upgrade that was asked for, from the order to the exec: a trial run of the new program, then a moment in which
// nothing is under way. At most one at a time.
internal import CLinux
internal import Glibc
internal import Reloader

/// An order, for this program and for the one that takes its place.
struct UpgradeOrder: Codable {
    /// Of the new program.
    let path: String
    let asker: Asker
    /// The version that asked.
    let from: String
    /// When the old program stopped to work, on the monotonic clock; nil: it has not.
    var pausedAt: Instant?
}

final class Upgrade {
    private enum Stage {
        case none
        case trial(UpgradeOrder, Preflight)
        /// The new program could go on.
        case passed(UpgradeOrder)
    }

    private let loop: Loop
    private let story: Story
    private var stage = Stage.none
    private var hasToldWait = false
    /// Killed, and not reaped yet: what they use is kept until then.
    private var abandoned: [Preflight] = []

    init(_ loop: Loop, _ story: Story) {
        self.loop = loop
        self.story = story
    }

    var isUnderWay: Bool { if case .none = stage { false } else { true } }

    /// When the trial run has lasted too long; nil: there is none.
    var nextDeadline: Instant? { preflight?.deadline }

    /// All processes that were started here and are not reaped.
    var pids: [Int32] { abandoned.map { $0.pid } + (preflight.map { [$0.pid] } ?? []) }

    var preflight: Preflight? { if case .trial(_, let preflight) = stage { preflight } else { nil } }

    /// The trial run's process, if that is its PID.
    func process(_ pid: Int32) -> Preflight? { preflight?.pid == pid ? preflight : nil }

    /// The order that is to be carried out as soon as nothing is under way; nil: there is none.
    var passed: UpgradeOrder? { if case .passed(let order) = stage { order } else { nil } }

    /// Starts the trial run.
    func begin(
        _ order: UpgradeOrder, _ rows: [StateRow], environment: Environment, fileLimit: ResourceLimit
    ) throws(SystemError) {
        let preflight = try Preflight(order.path, rows, environment: environment, fileLimit: fileLimit)
        do throws(SystemError) {
            for channel in preflight.channels { try loop.watch(channel, .preflight(preflight)) }
        } catch {
            preflight.kill()
            abandoned.append(preflight)
            throw error
        }
        stage = .trial(order, preflight)
        hasToldWait = false
    }

    /// Call it when the trial run may have ended, or has lasted too long.
    ///
    /// - Returns: why the order can't be carried out; nil: that is not known yet, or it can.
    func look(at preflight: Preflight) throws(SystemError) -> String? {
        guard case .trial(let order, let current) = stage, current === preflight else { return nil }
        guard let verdict = try preflight.reap(loop) else {
            guard preflight.deadline <= MonotonicClock.now() else { return nil }
            try abandon(preflight)
            return "its trial run did not end within \(Preflight.patience.components.seconds)s"
        }
        try forget(preflight)
        switch verdict {
        case .couldGoOn:
            stage = .passed(order)
            return nil
        case .couldNot(let reason): return reason
        }
    }

    private func forget(_ preflight: Preflight) throws(SystemError) {
        stage = .none
        for channel in preflight.channels { try loop.unwatch(channel) }
    }

    private func abandon(_ preflight: Preflight) throws(SystemError) {
        preflight.kill()
        abandoned.append(preflight)
        try forget(preflight)
    }

    /// Call it when a child has ended that is about to be reaped.
    func childHasEnded(_ pid: Int32) {
        for preflight in abandoned where preflight.pid == pid { preflight.start.isGone() }
        abandoned.removeAll { $0.pid == pid }
    }

    /// The order is not to be carried out.
    func cancel() {
        if case .trial(_, let preflight) = stage {
            do throws(SystemError) { try abandon(preflight) } catch {
                story.tell(LogRecord(.error, "system_error", "\(error)"))
            }
        }
        stage = .none
    }

    /// Tells once what the upgrade waits for, and returns that record; nil: it was told before.
    func tellWait(for obstacle: String) -> StampedRecord? {
        if hasToldWait { return nil }
        hasToldWait = true
        return story.tell(LogRecord(.info, "upgrade_waits", "the upgrade waits: \(obstacle)"))
    }
}
