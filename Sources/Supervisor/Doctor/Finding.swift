// One thing that the daemon needs or uses, as `reloaderd doctor` found it: what is there, what its lack costs, and what
// to do about it.
internal import Glibc

public struct Finding: Equatable, Sendable {
    /// In order: each is worse than the one before.
    public enum Level: String, CaseIterable, Sendable {
        case ok
        /// The daemon could have more, and does all that it promises without it.
        case note
        /// The daemon works, with less.
        case less
        /// The daemon does not start, or cannot work.
        case broken
    }

    /// Stable, for scripts: `sharing`, `port 127.0.0.1:8080`.
    public let topic: String
    public let level: Level
    public let found: String
    /// What the lack costs; nil if nothing is missing.
    public let cost: String?
    /// What to do about it.
    public let cure: String?

    init(_ topic: String, ok found: String) {
        self.topic = topic
        level = .ok
        self.found = found
        cost = nil
        cure = nil
    }

    public init(_ topic: String, _ level: Level, _ found: String, costs cost: String, cure: String) {
        self.topic = topic
        self.level = level
        self.found = found
        self.cost = cost
        self.cure = cure
    }

    /// `1,024 is what there is: this is what it costs (do that)`.
    public var words: String {
        guard let cost else { return found }
        return "\(found): \(cost)\(cure.map { " (\($0))" } ?? "")"
    }

    public var json: JSON {
        .object([
            JSON.Member("topic", .string(topic)), JSON.Member("level", .string(level.rawValue)),
            JSON.Member("found", .string(found)), JSON.Member("cost", cost.map(JSON.string) ?? .null),
            JSON.Member("cure", cure.map(JSON.string) ?? .null),
        ])
    }
}

/// All that is looked at but the program and its files, for a daemon with these settings that would be started by this
/// process. Starts short-lived children, opens no port for longer than a moment, and writes nothing.
///
/// - Parameter isOwn: whether the holder of a port is the running daemon of these settings.
public func examine(_ settings: Settings, isOwn: (PortHolder) -> Bool) -> [Finding] {
    let environment = Environment.inherited()
    let rights = DaemonRights()
    let plan = Plan(settings, rights)
    return surroundings(environment)
        + kernelFindings(plan)
        + sharingFindings(plan)
        + rights.findings(plan)
        + limitFindings(plan)
        + networkFindings(plan)
        + settings.listeners.compactMap { portFinding($0, rights, isOwn: isOwn) }
        + settings.permittedPorts.sorted().map { permittedPortFinding($0, rights) }
        + placeFindings(settings, environment)
        + clockFindings(ClockReading())
}

/// What the settings amount to on this machine.
struct Plan {
    let settings: Settings
    let cpus = CPUCount.current()
    let workers: Int
    /// Workers that a reload starts beside the others.
    let surge: Int
    /// Whether workers are to share the ports that they bind themselves.
    let sharesPorts: Bool
    /// The user of the workers.
    let userID: UInt32

    init(_ settings: Settings, _ rights: DaemonRights) {
        self.settings = settings
        workers = settings.workerCount(automatic: cpus.automatic)
        surge = settings.surge.resolved(workers: workers)
        sharesPorts = settings.sharesPorts && settings.listeners.isEmpty
        userID = settings.program.user?.userID ?? rights.userID
    }
}

/// The number in a file of one number, such as those below /proc/sys; nil if there is none, or `max`.
func numberInFile(_ path: String) -> Int? { ProcFile.lines(path).first.flatMap { Int($0) } }
