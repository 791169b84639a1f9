// Where the control socket and the history of deploys are, according to the settings and the environment.
internal import Glibc

struct ControlPaths {
    /// Where the socket goes; nil: the daemon has none.
    let socket: Place?
    /// The folder of the history; nil: the history is not kept.
    let stateDirectory: String?
    /// The daemon's name, which is unique in its folder.
    let name: String
    /// The user has chosen the name or the path. If another daemon is there, that is then an error, and the daemon does
    /// not choose another name.
    let isChosen: Bool

    enum Place {
        /// A path that the user has named; its folder must exist.
        case path(String)
        /// A folder that is made if it does not exist.
        case folder(String, mode: mode_t)
        /// `FallbackDirectory`, which is made if it does not exist, and checked.
        case fallback
    }

    init(_ settings: Settings, _ environment: Environment) {
        name = settings.daemonName
        switch settings.control {
        case .automatic:
            socket = Self.runtimeDirectory(environment)
            isChosen = settings.name != nil
            stateDirectory = Self.stateDirectory(environment)
        case .path(let path):
            socket = .path(path)
            isChosen = true
            stateDirectory = Self.stateDirectory(environment)
        case .none:
            socket = nil
            isChosen = false
            stateDirectory = nil
        }
    }

    /// The one rule for where a daemon with this environment puts its socket by default.
    static func runtimeDirectory(_ environment: Environment) -> Place {
        // In a systemd unit this can be a list of directories, which systemd has made.
        if let given = first(environment["RUNTIME_DIRECTORY"]) { return .folder(given, mode: 0o755) }
        if geteuid() == 0 { return .folder(RuntimeDirectories.ofRoot, mode: 0o755) }
        return value(environment["XDG_RUNTIME_DIR"]).map { .folder("\($0)/reloaderd", mode: 0o700) } ?? .fallback
    }

    private static func stateDirectory(_ environment: Environment) -> String? {
        if let given = first(environment["STATE_DIRECTORY"]) { return given }
        if geteuid() == 0 { return "/var/lib/reloaderd" }
        if let given = value(environment["XDG_STATE_HOME"]) { return "\(given)/reloaderd" }
        return value(environment["HOME"]).map { "\($0)/.local/state/reloaderd" }
    }

    private static func first(_ list: String?) -> String? {
        list?.split(separator: ":").first.map(String.init)
    }

    private static func value(_ text: String?) -> String? { text.flatMap { $0.isEmpty ? nil : $0 } }
}
