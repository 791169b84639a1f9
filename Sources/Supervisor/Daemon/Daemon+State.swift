// What of the daemon itself the next one is told, and the look at a whole state that the trial run of another program
// takes.
internal import CLinux
internal import Glibc
internal import Reloader

/// Where a daemon was started. A reload starts there again, and not where a later program would look.
public struct LaunchPlace: Codable, Equatable, Sendable {
    /// Empty if it could not be told.
    public var directory: String
    /// Whether that is the name that its user has for it, which may lead elsewhere later.
    public var isNamed: Bool

    public init(directory: String, isNamed: Bool) {
        self.directory = directory
        self.isNamed = isNamed
    }
}

/// What a program has come in the place of.
struct Predecessor {
    /// nil: no upgrade was asked for.
    let order: UpgradeOrder?
    let version: String
    /// Why the program that was to take over could not, so that this one was executed again; nil: this is the new one.
    let failure: String?
}

/// All that is the daemon's own and no room's.
struct DaemonState: Codable {
    static let key = "daemon"
    private static let poolKey = "pool"
    static func slotKey(_ slot: Int) -> String { "slot/\(slot)" }

    let version: String
    let startedAt: timespec
    /// See `Daemon`.
    let programPath: String?
    let launch: LaunchPlace
    let fileLimit: ResourceLimit
    /// See `PoolClock`.
    let skippedTime: Duration
    let slowStarts: [WorkerID: Instant]
    let pidFile: PidFile.State?
    let order: UpgradeOrder?
    let cpus: CPUWatch.State
    /// nil without --cgroup.
    let groups: WorkerGroups.State?

    static func row(of head: PoolHead) throws(StateError) -> StateRow { try StateRow(poolKey, head) }

    static func rows(of pool: borrowing Pool) throws(StateError) -> [StateRow] {
        var rows = [try row(of: pool.head)]
        for (number, slot) in pool.slots.enumerated() { rows.append(try StateRow(slotKey(number), slot)) }
        return rows
    }

    static func pool(_ rows: StateRows) throws(StateError) -> Pool {
        let head = try rows.value(PoolHead.self, poolKey)
        var slots: [Slot] = []
        for number in 0..<max(0, min(head.slotCount, Policy.workersMax)) {
            slots.append(try rows.value(Slot.self, slotKey(number)))
        }
        do throws(PoolStateError) { return try Pool(head: head, slots: slots) } catch {
            throw .malformed("\(error)")
        }
    }

    /// Reads all rows as `Daemon` would, but for their descriptors.
    static func check(_ rows: StateRows) throws(StateError) {
        _ = try rows.value(DaemonState.self, key)
        _ = try pool(rows)
        _ = try rows.value(Releases.State.self, Releases.key)
        for key in rows.keys(Generation.keyPrefix) { _ = try rows.value(Generation.State.self, key) }
        try Workers.check(rows)
        try Story.check(rows)
        try Output.check(rows)
        try ServiceManager.check(rows)
        try Hooks.check(rows)
        try NotifyDirectory.check(rows)
        try Deploys.check(rows)
        try ControlServer.check(rows)
        try Ports.check(rows)
        try Helper.check(rows)
        try NameClaim.check(rows)
        try Keeper.check(rows)
    }
}

/// The trial run of this program: standard input is the state of a daemon.
public enum PreflightCommand {
    /// Whether that is what this process is to do.
    public static var isAsked: Bool {
        guard CommandLine.argc > 1, let word = CommandLine.unsafeArgv[1] else { return false }
        return strcmp(word, Preflight.argument) == 0
    }

    /// Says on standard output whether this version could go on with the state, and returns the exit status.
    public static func run(version: String) -> Int32 {
        let (line, status): (String, Int32)
        do throws(StateError) {
            try DaemonState.check(StateRows(StateFile.read(0)))
            (line, status) = ("\(Preflight.consent)\(version)", 0)
        } catch {
            (line, status) = ("\(error) (this is reloaderd \(version))", 1)
        }
        let bytes = Array("\(line)\n".utf8)
        return write(1, bytes, bytes.count) == bytes.count ? status : 1
    }
}

extension Daemon {
    /// Goes on in the place of another program, until the pool has ended; see `run`.
    ///
    /// If this program can't go on, it executes that one again. Nothing has changed then.
    public static func goOn(
        _ succession: borrowing Succession, version: String, readingAgain: @escaping (LaunchPlace) -> SettingsSource
    ) throws(StartError) -> Int32 {
        let daemon: Daemon
        do throws(StateError) {
            #if DEBUG
                // For the tests of this project, which can't wait for a version with such a bug.
                if succession.failure == nil, getenv("RELOADERD_TEST_CANNOT_GO_ON") != nil {
                    throw StateError("a test wants it so")
                }
            #endif
            let rows = try succession.read()
            let state = try rows.value(DaemonState.self, DaemonState.key)
            daemon = try Daemon(
                rows, version: version, failure: succession.failure, readingAgain: readingAgain(state.launch))
            rows.closeOriginals()
            succession.close()
        } catch {
            let reason = "reloaderd \(version) could not go on: \(error)"
            let failure = succession.goBack(because: reason)
            throw .succession("\(reason), and the program before it cannot be executed again: \(failure)")
        }
        return try daemon.run()
    }
}
