// What becomes of settings after they were read: numbers that depend on the machine, and changes at a reload.
internal import Reloader

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
    /// Keeps of `running` what a reload cannot change: sockets, files and log belong to the daemon's whole life.
    ///
    /// - Returns: the options, without dashes, that would have been different.
    public mutating func keepForLife(of running: Settings) -> [String] {
        var changed: [String] = []
        func keep(_ option: String, _ path: WritableKeyPath<Settings, some Equatable>) {
            if self[keyPath: path] == running[keyPath: path] { return }
            self[keyPath: path] = running[keyPath: path]
            // An option may be kept in several settings.
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
