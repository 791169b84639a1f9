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
