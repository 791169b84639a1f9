// `list`: the daemons that there are, also those that do not answer, and those that this user may not ask.
import Glibc
import Supervisor

func listDaemons(_ call: Call) throws(VerbError) -> Int32 {
    // All are asked before the first is listened to, so that several that are stopped are waited for at the same time.
    let contacts = ControlSocket.all(in: RuntimeDirectories.all).map { ListedDaemon($0) }
    let deadline = Moment.now() + patienceSeconds
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
    let now = time(nil)
    for daemon in daemons {
        if let status = daemon.status {
            table.add(row(status, at: now))
        } else {
            let cells = [terminalText(daemon.socket.name), "-", daemon.state, "-", "-", "-", "-", "-"]
            table.add(cells, remark: daemon.problem ?? "")
        }
    }
    return printOut(table.lines.map { $0 + "\n" }.joined())
}

/// A list is for looking: one daemon that is stopped must not hide the others for long.
private let patienceSeconds = 2.0

private func row(_ status: PoolStatus, at now: Int) -> [String] {
    let pool = status.pool
    let ports = status.listeners.map { terminalText($0.address) }.joined(separator: ",")
    return [
        terminalText(pool.name), "\(pool.pid)", terminalText(pool.phase),
        "\(pool.ready.map { "\($0)" } ?? "?")/\(pool.workers)", "\(pool.generation)",
        secondsSince(pool.startedAt, now).map { durationText(Double($0)) } ?? "-", ports.isEmpty ? "-" : ports,
        terminalText(pool.program),
    ]
}

/// One control socket, and what came of asking there.
private struct ListedDaemon {
    let socket: ControlSocket
    private(set) var message: Message?
    private(set) var status: PoolStatus?
    /// `silent`, `forbidden`, `gone`.
    private(set) var state = "silent"
    /// nil: it has answered.
    private(set) var problem: String?
    private var connection: ControlConnection?

    /// Asks.
    init(_ socket: ControlSocket) {
        self.socket = socket
        do throws(SystemError) { connection = try ControlConnection(path: socket.path) } catch {
            note(error)
            return
        }
        do throws(VerbError) { try connection?.send(Request(verb: "status")) } catch { problem = error.message }
    }

    /// With the answer, or the reason why there is none.
    func listened(until deadline: Moment) -> ListedDaemon {
        guard let connection, problem == nil else { return self }
        var daemon = self
        do throws(VerbError) {
            switch try connection.next(until: deadline) {
            case .line(let line): try daemon.take(try Message(line, from: connection.path))
            case .silence: daemon.problem = "\(place) does not answer: the daemon may be stopped"
            case .end: daemon.problem = "\(place) closes without an answer"
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
            problem = "\(place): nobody listens there: its daemon was killed; the next one of this name replaces it"
        case EACCES, EPERM:
            state = "forbidden"
            problem = "\(place): you may not ask: only root, the daemon's own user and its --control-group may"
        case EAGAIN: problem = "\(place) does not answer: the daemon may be stopped"
        default: problem = "\(place): \(error.reason)"
        }
    }

    private var place: String { printable(socket.path) }
}
