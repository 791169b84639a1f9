// What can go wrong between a worker and its supervisor.
import Glibc

public enum WorkerError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A variable's value is not what its convention says.
    case invalidVariable(name: String, value: String, expected: String)
    /// A variable announced a descriptor that this process doesn't have.
    case descriptorNotOpen(Int32, variable: String)
    /// There is no such listener.
    case noListener(wanted: String, available: [String])
    /// LISTEN_PID names another process, so the listeners are not for this one (sd_listen_fds(3)).
    case listenersOfAnotherProcess(expected: Int32, actual: Int32)
    /// A system call failed; `code` is its errno.
    case system(call: String, code: Int32, subject: String)

    /// One line: what failed, on what, why, and what to do if that is known.
    public var description: String {
        switch self {
        case .invalidVariable(let name, let value, let expected):
            "\(name)=\(value): expected \(expected)"
        case .descriptorNotOpen(let descriptor, let variable):
            "\(variable) announces descriptor \(descriptor), which is not open"
        case .noListener(let wanted, let available) where available.isEmpty:
            "no listener \(wanted): none was handed over (run under a supervisor with --listen)"
        case .noListener(let wanted, let available):
            "no listener \(wanted): there is \(available.joined(separator: ", "))"
        case .listenersOfAnotherProcess(let expected, let actual):
            "the listeners are for process \(expected), this is \(actual) (a wrapper script has to start it with exec)"
        case .system(let call, let code, let subject):
            "\(call) \(subject): \(strerror(code).map { String(cString: $0) } ?? "error \(code)")"
        }
    }
}
