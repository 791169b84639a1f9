// Settings after they were read: numbers that depend on the machine are filled in, and a reload changes some of them.
public import Reloader

/// Reads the settings again for a reload: all of them, checked.
///
/// - Throws: what is wrong with them.
public typealias SettingsSource = () throws(ConfigurationError) -> Settings

/// `--surge`: how many replacements a roll has in flight at once.
public enum SurgeChoice: Equatable, Sendable {
    /// 1 ... `Policy.workersMax`.
    case count(Int)
    /// A percentage of the workers, rounded up; 1 ... 100.
    case percent(Int)

    /// The number of replacements for a pool of this many workers; at least 1.
    public func resolved(workers: Int) -> Int {
        switch self {
        case .count(let count): max(1, count)
        case .percent(let percent): max(1, (workers * percent + 99) / 100)
        }
    }
}

extension Settings {
    /// `policy` with the number of workers, the surge and the readiness filled in, for a machine on which `auto` means
    /// `automaticWorkers`.
    ///
    /// A surge of 25 % stays nil, with which the policy computes it again whenever the pool is scaled.
    public func resolvedPolicy(automaticWorkers: Int, sharing: Bool = false) -> Policy {
        var policy = policy
        switch workers {
        case .automatic: policy.workers = min(max(1, automaticWorkers), Policy.workersMax)
        case .fixed(let count): policy.workers = count
        }
        if case .after(let age) = ready { policy.readiness = .after(age) }
        switch drain {
        case .automatic, .signal:
            // A queue that only its own worker can empty must be empty before the signal, however connections are
            // drained.
            let hasQueues = sharing || balance == .slot
            policy.drain = hasQueues ? .outside(timeout: drainTimeout) : .signal
        case .outside: policy.drain = .outside(timeout: drainTimeout)
        }
        policy.surge = surge == .percent(25) ? nil : surge.resolved(workers: policy.workers)
        return policy
    }

    /// The policy if ports were to be shared and cannot be: the daemon does not see a worker listen then, so that
    /// `auto` has to mean that the worker has lived for a while.
    func policyWithoutSharing(_ policy: Policy) -> Policy {
        var policy = policy
        if ready == .automatic { policy.readiness = .after(Self.ageWithoutSharing) }
        return policy
    }

    private static let ageWithoutSharing = Duration.seconds(2)

    /// Takes from `running` the settings that a reload cannot change: sockets, files and the log stay for the daemon's
    /// life.
    ///
    /// - Returns: the options that would have changed, without dashes.
    public mutating func keepForLife(of running: Settings) -> [String] {
        var changed: [String] = []
        func keep(_ option: String, _ path: WritableKeyPath<Settings, some Equatable>) {
            if self[keyPath: path] == running[keyPath: path] { return }
            self[keyPath: path] = running[keyPath: path]
            // One option may be stored in several settings.
            if changed.last != option { changed.append(option) }
        }
        keep("listen", \.listeners)
        keep("backlog", \.backlog)
        keep("balance", \.balance)
        keep("no-share", \.sharesPorts)
        keep("no-share", \.unsharedPorts)
        keep("share", \.sharesUDP)
        keep("name", \.name)
        keep("pid-file", \.pidFile)
        keep("output", \.output)
        keep("log-format", \.logFormat)
        keep("control", \.control)
        keep("control-group", \.controlGroup)
        return changed
    }
}
