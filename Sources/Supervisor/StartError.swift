// Why the daemon did not start. Nothing runs then, and nothing is left behind.

public enum StartError: Error, Sendable, CustomStringConvertible {
    case listen(ListenError)
    case generation(GenerationError)
    case pidFile(PidFileError)
    case system(SystemError)

    public var description: String {
        switch self {
        case .listen(let error): error.description
        case .generation(let error): error.description
        case .pidFile(let error): error.description
        case .system(let error): "cannot start: \(error)"
        }
    }

    public var exitStatus: Int32 {
        switch self {
        case .generation(let error): error.exitStatus
        case .listen, .pidFile, .system: 1
        }
    }
}

/// Why the configuration could not be read again at a reload; the reload is refused and everything goes on as before.
public struct ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
    /// One line, with file and line where there is one.
    public var description: String

    public init(_ description: String) { self.description = description }
}

/// Reads everything anew: called at each reload.
public typealias SettingsSource = () throws(ConfigurationError) -> Settings
