// `list`: shows all daemons, including those that do not answer and those that this user may not ask.
import Glibc
import Reloader
import Supervisor

extension Verb {
    static let list = Verb(
        "list", "all daemons", options: [VerbOptions.json], contact: [],
        explanation: """
            Lists the daemons in the runtime directories of this user and of root, including
            those that do not answer and those that this user may not ask.
            """,
        run: listDaemons)
}

private func listDaemons(_ call: Call) throws(VerbError) -> Int32 {
    // All daemons are asked before the first answer is read, so that several stopped daemons share one wait.
    let contacts = ControlSocket.all(in: RuntimeDirectories.all).map { ListedDaemon($0) }
    let deadline = MonotonicClock.now() + patience
    let daemons = contacts.map { $0.listened(until: deadline) }
    for reason in RuntimeDirectories.closed { writeAll("reloaderd: \(reason)\n", to: STDERR_FILENO) }
    if call.isJSON {
        for daemon in daemons {
            if let problem = daemon.problem { writeAll("reloaderd: \(problem)\n", to: STDERR_FILENO) }
        }
        return printOut(daemons.compactMap { $0.message?.line }.joined())
    }
    if daemons.isEmpty { return printOut("no daemon is running\n") }
    var table = Table([
        .left("NAME"), .right("PID"), .left("PHASE"), .right("READY"), .right("GEN"), .right("UP"), .cut("PORTS"),
        .cut("PROGRAM"),
    ])
    for daemon in daemons {
        if let status = daemon.status {
            table.add(row(status))
        } else {
            let cells = [terminalText(daemon.socket.daemon), "-", daemon.state, "-", "-", "-", "-", "-"]
            table.add(cells, remark: daemon.problem ?? "")
        }
    }
    return printOut(table.lines.map { $0 + "\n" }.joined())
}

/// One stopped daemon must not keep the list of the others waiting for long.
private let patience = Duration.seconds(2)

private func row(_ status: VerbStatus) -> [String] {
    let pool = status.pool
    let ports = status.listeners.map { terminalText($0.address) }.joined(separator: ",")
    return [
        terminalText(pool.name), "\(pool.pid)", terminalText(pool.phase),
        "\(pool.ready.map { "\($0)" } ?? "?")/\(pool.workers)", "\(pool.generation)",
        WallClock.seconds(since: pool.startedAt).map { durationText(Double($0)) } ?? "-", ports.isEmpty ? "-" : ports,
        terminalText(pool.program),
    ]
}

/// One control socket, and what its daemon answered.
private struct ListedDaemon {
    let socket: ControlSocket
    private(set) var message: Message?
    private(set) var status: VerbStatus?
    /// `silent`, `forbidden`, `gone`.
    private(set) var state = "silent"
    /// nil if the daemon has answered.
    private(set) var problem: String?
    private var connection: ControlConnection?

    /// Connects and sends the request.
    init(_ socket: ControlSocket) {
        self.socket = socket
        do throws(SystemError) { connection = try ControlConnection(path: socket.path) } catch {
            note(error)
            return
        }
        do throws(VerbError) { try connection?.send(Request(verb: Verb.status.name)) } catch { problem = error.message }
    }

    /// The same with the answer, or with the reason why there is none.
    func listened(until deadline: Instant) -> ListedDaemon {
        guard let connection, problem == nil else { return self }
        var daemon = self
        do throws(VerbError) {
            switch try connection.next(until: deadline) {
            case .line(let line): try daemon.take(try Message(line, from: connection.path))
            case .silence: daemon.problem = "\(place) does not answer: the daemon may be stopped"
            case .end: daemon.problem = "\(place) closed the connection without an answer"
            }
        } catch { daemon.problem = error.message }
        return daemon
    }

    private mutating func take(_ answer: Message) throws(VerbError) {
        if answer.kind == .error {
            state = "forbidden"
            problem = answer.refusal.message
        } else {
            status = try answer.decoded()
            message = answer
        }
    }

    private mutating func note(_ error: SystemError) {
        switch error.errno {
        case ECONNREFUSED, ENOENT:
            state = "gone"
            problem =
                "\(place): no process listens there: the daemon was killed (the next daemon of this name replaces the "
                + "file)"
        case EACCES, EPERM:
            state = "forbidden"
            problem = "\(place): permission denied: only root, the daemon's own user and its --control-group may ask"
        case EAGAIN: problem = "\(place) does not answer: the daemon may be stopped"
        default: problem = "\(place): \(error.reason)"
        }
    }

    private var place: String { printable(socket.path) }
}
