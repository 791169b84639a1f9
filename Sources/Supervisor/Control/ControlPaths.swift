// Where the control socket and the history of deploys are, told from the settings and the environment.
internal import Glibc

struct ControlPaths {
    /// Where the socket goes; nil: there is to be none.
    let socket: Place?
    /// The folder of the history; nil: it is not kept.
    let stateDirectory: String?
    /// Name of this daemon among those of one folder.
    let name: String
    /// The user has chosen name or path: another daemon there is then an error, and not one more of the same.
    let isChosen: Bool

    enum Place {
        /// Named by the user; its folder must be there.
        case path(String)
        /// The folder is made where it is not there.
        case folder(String, mode: mode_t)
        /// `FallbackDirectory`, which is made and looked at.
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
        // A list under systemd, where a unit has several; it has made them.
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
