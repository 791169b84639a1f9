// Why the daemon did not start. No process was started, and no file is left behind.

public enum StartError: Error, Sendable, CustomStringConvertible {
    case listen(ListenError)
    case generation(GenerationError)
    case pidFile(PidFileError)
    case control(ControlSocketError)
    case name(NameError)
    /// The file of `--output`.
    case output(SystemError)
    /// Several workers were to share ports, and the system call that failed is needed for it.
    case sharing(SystemError)
    /// --cgroup cannot be done.
    case groups(WorkerGroupError)
    case system(SystemError)
    /// No program can go on in the place of another.
    case succession(String)

    public var description: String {
        switch self {
        case .listen(let error): error.description
        case .generation(let error): error.description
        case .pidFile(let error): error.description
        case .control(let error): error.description
        case .name(let error): error.description
        case .output(let error): "cannot open \(printable(error.subject)) for workers' output: \(error.reason)"
        case .sharing(let error):
            "cannot share ports between workers: \(error) (pass listeners with --listen; or, for a program that sets "
                + "SO_REUSEPORT itself or has no port, use --no-share)"
        case .groups(let error): error.description
        case .system(let error): "cannot start: \(error)"
        case .succession(let reason): reason
        }
    }

    public var exitStatus: Int32 {
        switch self {
        case .generation(let error): error.exitStatus
        case .listen, .pidFile, .control, .name, .output, .sharing, .groups, .system, .succession: 1
        }
    }
}
