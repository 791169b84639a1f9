// Why no generation could be made of the program. At the first start it ends the daemon, at a reload it refuses the
// reload.
internal import Glibc

public enum GenerationError: Error, Equatable, Sendable, CustomStringConvertible {
    case programMissing(path: String, searched: String?)
    case programRefused(path: String, SystemError)
    case workingDirectory(path: String, SystemError)
    /// No other was named.
    case startDirectoryDeleted
    case environmentFile(String)
    case system(SystemError)

    public var description: String {
        switch self {
        case .programMissing(let path, let searched?):
            "cannot start \(printable(path)): no such program in PATH (\(printable(searched)))"
        case .programMissing(let path, nil):
            "cannot start \(printable(path)): No such file or directory"
        case .programRefused(let path, let error):
            error.errno == EACCES
                ? "cannot start \(printable(path)): \(error.reason) (is it an executable file, for the user that "
                    + "workers run as?)"
                : "cannot start \(printable(path)): \(error.reason)"
        case .workingDirectory(let path, let error):
            "cannot use the working directory \(printable(path)): \(error.reason)"
        case .startDirectoryDeleted:
            "the working directory, in which reloaderd was started, was deleted (restart reloaderd in one that is "
                + "there, or name it with --chdir)"
        case .environmentFile(let message):
            message
        case .system(let error):
            "cannot prepare the program: \(error)"
        }
    }

    /// What a shell would exit with: 127 not found, 126 found and not to be run, 1 for the rest.
    public var exitStatus: Int32 {
        switch self {
        case .programMissing: 127
        case .programRefused: 126
        case .workingDirectory, .startDirectoryDeleted, .environmentFile, .system: 1
        }
    }
}
