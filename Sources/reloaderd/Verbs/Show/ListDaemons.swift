// `list`: the daemons that answer, whoever else has left a socket there.
import Supervisor

func listDaemons(_ call: Call) throws(VerbError) -> Int32 {
    // All are asked before the first is listened to, so that several that are stopped are waited for at the same time.
    let connections = ControlSocket.all(in: RuntimeDirectories.all).compactMap { try? ControlConnection(path: $0.path) }
    for connection in connections { try connection.send(Request(verb: "status")) }
    let deadline = Moment.now() + patienceSeconds
    let answers = connections.compactMap { connection in status(connection, deadline) }
    if call.isJSON { return printOut(answers.map { $0.message.line }.joined()) }
    if answers.isEmpty { return printOut("no daemon runs\n") }
    var table = Table([
        .left("NAME"), .right("PID"), .left("PHASE"), .right("WORKERS"), .right("GEN"), .left("SINCE"),
        .left("PROGRAM"),
    ])
    for pool in answers.map({ $0.status.pool }) {
        table.add([
            terminalText(pool.name), "\(pool.pid)", terminalText(pool.phase), "\(pool.workers)", "\(pool.generation)",
            timeText(pool.startedAt), terminalText(pool.program),
        ])
    }
    return printOut(table.lines.map { $0 + "\n" }.joined())
}

/// A list is for looking: one daemon that is stopped must not hide the others for long.
private let patienceSeconds = 2.0

/// nil: it does not answer, or does not want to.
private func status(
    _ connection: ControlConnection, _ deadline: Moment
) -> (message: Message, status: PoolStatus)? {
    guard case .line(let line)? = try? connection.next(until: deadline),
        let message = try? Message(line, from: connection.path), let status: PoolStatus = try? message.decoded()
    else { return nil }
    return (message, status)
}
