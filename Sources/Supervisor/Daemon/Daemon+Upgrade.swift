// The upgrade in place: another program, or another version of this one, goes on in this process with all that the
// daemon has. Workers don't notice.
internal import CLinux
internal import Glibc
internal import Reloader

/// Why an upgrade does not begin.
struct UpgradeRefusal: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

extension Daemon {
    // MARK: the order

    /// - Parameters:
    ///   - path: of the program; nil: this one's own, which may be another version by now.
    ///   - isUrgent: refuses if something is under way, instead of waiting for its end.
    func beginUpgrade(_ path: String?, _ asker: Asker, isUrgent: Bool) throws(UpgradeRefusal) {
        do throws(UpgradeRefusal) {
            if pool.isEnding { throw UpgradeRefusal("\(ReloadRefusal.ending)") }
            if upgrade.isUnderWay { throw UpgradeRefusal("another upgrade is under way") }
            if isUrgent, let obstacle = upgradeObstacle { throw UpgradeRefusal(obstacle) }
            let program: String
            if let path { program = path } else { program = try ownPath() }
            let order = UpgradeOrder(path: program, asker: asker, from: identity.version)
            story.tell(
                LogRecord(
                    .info, "upgrade_asked", "upgrade asked for by \(asker.words): trying \(printable(order.path))",
                    asker.pid.map { [("by", .number(Int($0)))] } ?? []))
            try startTrial(order)
        } catch {
            story.tell(LogRecord(.error, "upgrade_refused", "upgrade refused, everything goes on as before: \(error)"))
            throw error
        }
    }

    private func startTrial(_ order: UpgradeOrder) throws(UpgradeRefusal) {
        do throws(StateError) {
            let rows = try rows()
            try StateError.from { () throws(SystemError) in
                try upgrade.begin(order, rows, environment: releases.environment, fileLimit: fileLimit)
            }
        } catch { throw UpgradeRefusal("cannot try \(printable(order.path)): \(error)") }
    }

    /// The path by which this program was found, whatever stands there since.
    private func ownPath() throws(UpgradeRefusal) -> String {
        guard let path = programPath else {
            throw UpgradeRefusal("the daemon's own file has no name that is known (name one: reloaderd upgrade PATH)")
        }
        return path
    }

    /// What the upgrade has to wait for; nil: nothing.
    private var upgradeObstacle: String? {
        if let roll = pool.roll { return "the roll to generation \(roll.target) is under way" }
        if let recycle = pool.recycle { return "the worker of slot \(recycle.slot) is being replaced" }
        if !starts.areDone { return "a worker is being started" }
        if manager.isStoring { return "the service manager does not take what it is to keep" }
        if hooks.isStarting { return "a hook is being started" }
        if !helper.isIdle { return "something is being asked about a worker's ports" }
        if let keeper, keeper.isBusy { return "the keeper of the daemon's descriptors does not take what has changed" }
        if !emptyings.areDone { return "a worker is being drained" }
        return nil
    }

    // MARK: on its way

    func look(at preflight: Preflight) throws(SystemError) {
        if let reason = try upgrade.look(at: preflight) { failUpgrade("\(reason)") }
    }

    func lookAtPreflight() throws(SystemError) {
        if let preflight = upgrade.preflight, preflight.deadline <= MonotonicClock.now() { try look(at: preflight) }
    }

    /// Call it at the end of each turn: when the trial has gone well and nothing is under way, the time has come.
    ///
    /// - Returns: whether it has told anything.
    func goOnWithUpgrade() -> Bool {
        guard upgrade.isUnderWay else { return false }
        if pool.isEnding {
            upgrade.cancel()
            failUpgrade("\(ReloadRefusal.ending)", isStopping: true)
            return true
        }
        guard let order = upgrade.passed else { return false }
        if let obstacle = upgradeObstacle {
            guard let record = upgrade.tellWait(for: obstacle) else { return false }
            control.tell(.upgrade, progress: record.json)
            return true
        }
        upgrade.cancel()
        var begun = order
        begun.pausedAt = MonotonicClock.now()
        orderUnderWay = begun
        manager.upgradeBegins(at: MonotonicClock.now())
        do throws(StateError) { try execute(order.path) } catch { failUpgrade("\(error)") }
        orderUnderWay = nil
        return true
    }

    /// Executes the new program. This returns only if that has failed; then nothing has changed.
    private func execute(_ path: String) throws(StateError) {
        let own = try StateError.from { () throws(SystemError) in
            FileDescriptor(owning: try checked("open", "/proc/self/exe") { rl_open_path(AT_FDCWD, "/proc/self/exe") })
        }
        let rows = try rows()
        let numbers = Set(rows.flatMap { $0.descriptors })
        // The new program duplicates each of them before it gives anything up.
        guard numbers.count * 2 + Self.descriptorsBeside < FileDescriptor.limit else {
            throw StateError("it would need \(numbers.count * 2) descriptors for a moment (raise ulimit -Hn)")
        }
        let file = try StateError.from { () throws(SystemError) in try StateFile(rows) }
        let over = DescriptorsOverExec(numbers: numbers.union([own.number, file.descriptor.number]))
        try StateError.from { () throws(SystemError) in try over.keep() }
        defer { over.letGo() }
        throw StateError(Succession.execute(path, state: file.descriptor.number, program: own.number))
    }

    /// What a daemon has open besides: timers, the loop itself, files that it reads.
    private static let descriptorsBeside = 64

    private func failUpgrade(_ reason: String, isStopping: Bool = false) {
        let words = "upgrade failed, everything goes on as before: \(reason)"
        story.tell(LogRecord(isStopping ? .info : .error, "upgrade_failed", words))
        manager.upgradeFailed(reason)
        let outcome: RollOutcome = isStopping ? .stopped : .failed
        control.tell(
            .upgrade,
            result: JSON.result([.init("outcome", .word(outcome)), .init("reason", .string(reason))]))
    }

    // MARK: afterwards

    /// Another program was here before.
    func tellSucceeded(_ predecessor: Predecessor) {
        if let failure = predecessor.failure { return failUpgrade(failure) }
        guard let order = predecessor.order else { return }
        let pause = order.pausedAt.map { MonotonicClock.now() - $0 } ?? .zero
        let version = identity.version
        story.tell(
            LogRecord(
                .info, "upgraded",
                order.from == version
                    ? "reloaderd \(version) was executed again, and the workers go on"
                    : "reloaderd \(version) has taken the place of \(order.from), and the workers go on",
                [
                    ("version", .text(version)), ("from", .text(order.from)), ("pause", .duration(pause)),
                    ("path", .text(order.path)),
                ]))
        manager.upgraded(to: version)
        control.tell(
            .upgrade,
            result: JSON.result([
                .init("outcome", .word(RollOutcome.done)), .init("version", .string(version)),
                .init("from", .string(order.from)), .init("pause_s", .seconds(pause)),
            ]))
    }
}

/// The path of this process' program, for its start: later it may be told as that of a file that was moved away.
func pathOfOwnProgram() -> String? {
    let suffix = " (deleted)"
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &buffer, buffer.count)
    guard count > 0, count < buffer.count else { return nil }
    guard let path = String(validating: buffer[..<count].lazy.map { UInt8(bitPattern: $0) }, as: UTF8.self) else {
        return nil
    }
    return path.hasSuffix(suffix) ? String(path.dropLast(suffix.count)) : path
}
