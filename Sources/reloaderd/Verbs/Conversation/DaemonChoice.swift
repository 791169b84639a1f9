// Which daemon is meant: the one named, the one with this socket, or the only one that runs.
import Glibc
import Supervisor

struct DaemonChoice {
    var name: String?
    var path: String?

    /// - Throws: where there is none (status 4), or several and no word which (status 64).
    func connect() throws(VerbError) -> ControlConnection {
        if let path { return try connect(to: path) }
        let directories = RuntimeDirectories.all
        if let name { return try connect(named: name, in: directories) }
        return try connectToTheOnlyOne(in: directories)
    }

    private func connect(to path: String) throws(VerbError) -> ControlConnection {
        do { return try ControlConnection(path: path) } catch {
            if Self.isAbsence(error) {
                throw VerbError("no daemon at \(printable(path)): \(error.reason)", ExitStatus.noDaemon)
            }
            throw Self.denial(path, error)
        }
    }

    private func connect(named name: String, in directories: [String]) throws(VerbError) -> ControlConnection {
        for directory in directories {
            let path = "\(directory)/\(name).sock"
            do { return try ControlConnection(path: path) } catch {
                if !Self.isAbsence(error) { throw Self.denial(path, error) }
            }
        }
        throw VerbError(
            "no daemon \(quoted(name)) is running: no answer at \(printable(name)).sock in \(Self.list(directories))\(Self.closed)",
            ExitStatus.noDaemon)
    }

    /// The only one in the nearest directory where any runs: those of root are not in the way of one's own.
    private func connectToTheOnlyOne(in directories: [String]) throws(VerbError) -> ControlConnection {
        var denial: VerbError?
        for directory in directories {
            var found: [(name: String, connection: ControlConnection)] = []
            for socket in ControlSocket.all(in: [directory]) {
                do { found.append((socket.name, try ControlConnection(path: socket.path))) } catch {
                    if !Self.isAbsence(error) { denial = denial ?? Self.denial(socket.path, error) }
                }
            }
            if found.count > 1 {
                let names = found.map { printable($0.name) }.joined(separator: ", ")
                throw VerbError(
                    "\(found.count) daemons are running: \(names); choose one: reloaderd VERB NAME", exitUsage)
            }
            if let only = found.first { return only.connection }
        }
        throw denial
            ?? VerbError(
                "no daemon is running: no control socket answers in \(Self.list(directories))\(Self.closed)",
                ExitStatus.noDaemon)
    }

    /// Nobody listens there.
    private static func isAbsence(_ error: SystemError) -> Bool {
        error.errno == ENOENT || error.errno == ECONNREFUSED || error.errno == ENOTDIR
    }

    private static func denial(_ path: String, _ error: SystemError) -> VerbError {
        switch error.errno {
        case EACCES, EPERM:
            VerbError(
                "may not talk to \(printable(path)): \(error.reason) (root, the daemon's own user and its "
                    + "--control-group may)", ExitStatus.failed)
        case EAGAIN: .noAnswer("\(printable(path)) does not answer: the daemon may be stopped")
        default: VerbError("cannot talk to \(printable(path)): \(error.reason)", ExitStatus.failed)
        }
    }

    private static var closed: String { RuntimeDirectories.closed.map { "; \($0)" }.joined() }

    private static func list(_ directories: [String]) -> String {
        directories.map { printable($0) }.joined(separator: ", ")
    }
}
