// Which daemon a verb asks: the daemon with the given name, the one with the given socket, or the only one that is
// running.
import Glibc
import Supervisor

struct DaemonChoice {
    var name: String?
    var path: String?

    /// - Throws: if there is none (status 4), or if there are several and none is chosen (status 64).
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
            let path = ControlSocket(of: name, in: directory).path
            do { return try ControlConnection(path: path) } catch {
                if !Self.isAbsence(error) { throw Self.denial(path, error) }
            }
        }
        throw VerbError(
            "no daemon \(quoted(name)) is running: no control socket of this name answers in "
                + "\(Self.list(directories))\(Self.closed)",
            ExitStatus.noDaemon)
    }

    /// The only daemon of the first directory that has any, so that root's daemons do not hide the user's own.
    private func connectToTheOnlyOne(in directories: [String]) throws(VerbError) -> ControlConnection {
        var denial: VerbError?
        for directory in directories {
            var found: [(name: String, connection: ControlConnection)] = []
            for socket in ControlSocket.all(in: [directory]) {
                do { found.append((socket.daemon, try ControlConnection(path: socket.path))) } catch {
                    if !Self.isAbsence(error) { denial = denial ?? Self.denial(socket.path, error) }
                }
            }
            if found.count > 1 {
                let names = found.map { printable($0.name) }.joined(separator: ", ")
                throw VerbError(
                    "\(found.count) daemons are running: \(names); choose one: reloaderd VERB NAME", ExitStatus.usage)
            }
            if let only = found.first { return only.connection }
        }
        throw denial
            ?? VerbError(
                "no daemon is running: no control socket answers in \(Self.list(directories))\(Self.closed)",
                ExitStatus.noDaemon)
    }

    /// Whether the error means that no process listens there.
    private static func isAbsence(_ error: SystemError) -> Bool {
        error.errno == ENOENT || error.errno == ECONNREFUSED || error.errno == ENOTDIR
    }

    private static func denial(_ path: String, _ error: SystemError) -> VerbError {
        switch error.errno {
        case EACCES, EPERM:
            VerbError(
                "cannot connect to \(printable(path)): \(error.reason) (only root, the daemon's own user and its "
                    + "--control-group may)", ExitStatus.failed)
        case EAGAIN: .noAnswer("\(printable(path)) does not answer: the daemon may be stopped")
        default: VerbError("cannot connect to \(printable(path)): \(error.reason)", ExitStatus.failed)
        }
    }

    private static var closed: String { RuntimeDirectories.closed.map { "; \($0)" }.joined() }

    private static func list(_ directories: [String]) -> String {
        directories.map { printable($0) }.joined(separator: ", ")
    }
}
