// Why the daemon has no control socket.

public struct ControlSocketError: Error, Equatable, Sendable, CustomStringConvertible {
    enum Reason: Equatable {
        /// A daemon listens there.
        case isLive
        /// Something else than a socket is there.
        case isTaken
        /// The folder that stands in for a runtime directory is not to be trusted.
        case isNotOurs(String)
        case failed(SystemError)
    }

    var path: String
    var reason: Reason

    public var description: String {
        switch reason {
        case .isLive:
            "cannot open the control socket \(printable(path)): another reloaderd listens there (stop it, or choose "
                + "another --name or --control)"
        case .isTaken:
            "cannot open the control socket \(printable(path)): the file there is no socket (move it away, or choose "
                + "another path with --control)"
        case .isNotOurs(let problem):
            "cannot open the control socket \(printable(path)): its directory is not safe: \(problem) (remove it, set "
                + "XDG_RUNTIME_DIR, or choose a path with --control)"
        case .failed(let error):
            "cannot open the control socket \(printable(path)): \(error.call): \(error.reason) (choose another path "
                + "with --control, or do without it: --control none)"
        }
    }
}
