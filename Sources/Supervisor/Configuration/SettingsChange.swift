// What becomes of settings after they were read: numbers that depend on the machine, and changes at a reload.
public import Reloader

/// Reads the settings again, at a reload: the whole of them, checked, or what is wrong with them.
public typealias SettingsSource = () throws(ConfigurationError) -> Settings

/// `--surge`: how many replacements a roll has in flight at once.
public enum SurgeChoice: Equatable, Sendable {
    /// 1 ... `Policy.workersMax`.
    case count(Int)
    /// Of the workers, rounded up; 1 ... 100.
    case percent(Int)

    /// At least 1.
    public func resolved(workers: Int) -> Int {
        switch self {
        case .count(let count): max(1, count)
        case .percent(let percent): max(1, (workers * percent + 99) / 100)
        }
    }
}

extension Settings {
    /// `policy` with the number of workers, the surge and the readiness filled in, for a machine where `auto` is
    /// `automaticWorkers`.
    ///
    /// A surge of 25 % stays nil, the policy's own word for it, so that it follows when the pool is scaled.
    public func resolvedPolicy(automaticWorkers: Int) -> Policy {
        var policy = policy
        switch workers {
        case .automatic: policy.workers = min(max(1, automaticWorkers), Policy.workersMax)
        case .fixed(let count): policy.workers = count
        }
        if let readiness { policy.readiness = readiness }
        policy.surge = surge == .percent(25) ? nil : surge.resolved(workers: policy.workers)
        return policy
    }

    /// The options, without dashes, that differ from `running` and that a reload cannot change: sockets, files, log and
    /// the CPUs of each slot belong to the daemon's whole life.
    public func changesNeedingRestart(from running: Settings) -> [String] {
        let options: [(name: String, isChanged: Bool)] = [
            ("listen", listeners != running.listeners), ("backlog", backlog != running.backlog),
            ("name", name != running.name), ("pid-file", pidFile != running.pidFile),
            ("pin", program.pinsCPUs != running.program.pinsCPUs), ("output", output != running.output),
            ("log-format", logFormat != running.logFormat),
        ]
        return options.filter { $0.isChanged }.map { $0.name }
    }
}
