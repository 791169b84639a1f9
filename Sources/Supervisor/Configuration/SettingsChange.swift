// Settings after they were read: a reload changes some of them.
internal import Reloader

/// Reads the settings again for a reload: all of them, checked.
///
/// - Throws: what is wrong with them.
public typealias SettingsSource = () throws(ConfigurationError) -> Settings

/// `--surge`: how many replacements a roll has in flight at once.
public enum SurgeChoice: Codable, Equatable, Sendable {
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
