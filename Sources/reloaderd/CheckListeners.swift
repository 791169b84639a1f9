// --check of --listen: is a port taken, and does a unix socket have a place that does not depend on who starts the daemon?
import Glibc
import Supervisor

func listenerProblems(_ settings: Settings) -> [ConfigurationError] {
    settings.listeners.compactMap { spec in
        let name = printable(spec.address.description)
        if case .unix(let path) = spec.address {
            let first = path.utf8.first
            if first == UInt8(ascii: "/") || first == UInt8(ascii: "@") { return nil }
            return ConfigurationError(
                "--listen \(name): a relative path means another file wherever reloaderd is started: write unix:/path")
        }
        guard spec.address.port != 0, let holder = PortHolder(of: spec.address), !isOfOwnDaemon(holder, settings) else {
            return nil
        }
        return ConfigurationError("--listen \(name): in use by \(holder.words(seenFrom: settings.daemonName))")
    }
}

/// The daemon that these settings are for may be running: it hands its port to its workers.
private func isOfOwnDaemon(_ holder: PortHolder, _ settings: Settings) -> Bool {
    let paths: [String]
    switch settings.control {
    case .path(let path): paths = [path]
    case .automatic: paths = RuntimeDirectories.all.map { "\($0)/\(settings.daemonName).sock" }
    case .none: return false
    }
    return paths.contains { path in
        do throws(SystemError) {
            let peer = try ControlConnection(path: path).peer
            return peer == holder.pid || peer == holder.parent
        } catch { return false }
    }
}
