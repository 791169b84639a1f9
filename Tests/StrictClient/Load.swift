// The load itself: a closed loop. Each connection sends its next request when it has its answer (and the pause is
// over), until the run's end; what is under way then may still finish. Nothing is ever sent twice.
import Glibc

struct Load {
    private let options: Options
    private let stop: StopSource
    private let connections: [Connection]
    private var report = Report()
    private var isStopping = false
    private var watchesInput: Bool

    private let timeoutNanoseconds: UInt64
    private let pauseNanoseconds: UInt64
    /// A server that refuses answers at once: without a breath the loop would only spin.
    private static let pauseAfterFailureNanoseconds: UInt64 = 10_000_000
    /// How long a server may take to close a connection that it has announced to close.
    private static let patienceNanoseconds: UInt64 = 1_000_000_000

    init(options: Options, stop: StopSource) {
        self.options = options
        self.stop = stop
        watchesInput = stop.inputDescriptor != nil
        timeoutNanoseconds = UInt64(options.timeoutMilliseconds) * 1_000_000
        pauseNanoseconds = UInt64(options.pauseMilliseconds) * 1_000_000
        let host = options.address.family == AF_UNIX ? "localhost" : options.address.text
        let head = "GET \(options.path) HTTP/1.1\r\nHost: \(host)\r\nUser-Agent: strict-client\r\n"
        let request = Array((head + (options.keepAlive ? "\r\n" : "Connection: close\r\n\r\n")).utf8)
        connections = (0..<options.connections).map {
            Connection(index: $0, address: options.address, request: request)
        }
    }

    mutating func run() -> Report {
        report.startNanoseconds = monotonicNanoseconds()
        var polled: [pollfd] = []
        var owners: [Connection] = []
        while true {
            let now = monotonicNanoseconds()
            if let limit = options.durationMilliseconds,
                now - report.startNanoseconds >= UInt64(limit) * 1_000_000
            {
                isStopping = true
            }
            for connection in connections { wake(connection, now: now) }
            if isStopping, connections.allSatisfy({ $0.requestPhase == nil }) { break }
            wait(&polled, &owners)
        }
        report.endNanoseconds = monotonicNanoseconds()
        connections.forEach { $0.close() }
        return report
    }

    /// One poll(2), and what it brought.
    private mutating func wait(_ polled: inout [pollfd], _ owners: inout [Connection]) {
        polled.removeAll(keepingCapacity: true)
        owners.removeAll(keepingCapacity: true)
        polled.append(pollfd(fd: isStopping ? -1 : stop.signalDescriptor, events: Int16(POLLIN), revents: 0))
        polled.append(pollfd(fd: watchesInput ? 0 : -1, events: Int16(POLLIN), revents: 0))
        for connection in connections {
            guard let events = connection.events else { continue }
            polled.append(pollfd(fd: connection.descriptor, events: events, revents: 0))
            owners.append(connection)
        }
        let count = poll(&polled, nfds_t(polled.count), timeoutMilliseconds())
        guard count > 0 else { return }
        if polled[0].revents != 0 { isStopping = true }
        if polled[1].revents != 0, stop.inputHasEnded() {
            isStopping = true
            watchesInput = false
        }
        for (entry, connection) in zip(polled.dropFirst(2), owners) where entry.revents != 0 {
            handle(connection.advance(), of: connection)
        }
    }

    /// Until the next thing that happens by itself; -1: nothing does.
    private func timeoutMilliseconds() -> Int32 {
        var wake = UInt64.max
        for connection in connections where !isStopping || connection.requestPhase != nil {
            wake = min(wake, connection.wakeNanoseconds)
        }
        if let limit = options.durationMilliseconds, !isStopping {
            wake = min(wake, report.startNanoseconds + UInt64(limit) * 1_000_000)
        }
        guard wake != .max else { return -1 }
        let now = monotonicNanoseconds()
        return wake <= now ? 0 : Int32(min((wake - now + 999_999) / 1_000_000, 60_000))
    }

    /// Does what a connection's time has come for.
    private mutating func wake(_ connection: Connection, now: UInt64) {
        guard connection.wakeNanoseconds <= now else { return }
        if let phase = connection.requestPhase {
            handle(.failed(.timedOut, phase, "no answer in \(options.timeoutMilliseconds) ms"), of: connection)
        } else if case .awaitingEnd = connection.phase {
            connection.close()
            connection.wakeNanoseconds = now
        } else {
            startRequest(on: connection, now: now)
        }
    }

    private mutating func startRequest(on connection: Connection, now: UInt64) {
        guard !isStopping else { return }
        let step = connection.start(now: now, timeoutNanoseconds: timeoutNanoseconds)
        switch step {
        case .closedIdle, .unasked:
            // The request was not begun; it is when the loop comes back, on a new connection.
            handle(step, of: connection)
        default:
            countRequest()
            handle(step, of: connection)
        }
    }

    private mutating func countRequest() {
        report.requests += 1
        if report.requests == options.requestsMax { isStopping = true }
    }

    private mutating func handle(_ step: Connection.Step, of connection: Connection) {
        switch step {
        case .pending:
            break
        case .connected:
            report.connectionsOpened += 1
            handle(connection.advance(), of: connection)
        case .responded(let response):
            finish(connection, with: response)
        case .failed(let failure, let phase, let detail):
            fail(connection, failure, phase, detail)
        case .unasked(let detail):
            countRequest()
            fail(connection, .malformed, .read, detail)
        case .closedIdle:
            report.idleClosed += 1
            connection.close()
        case .closedAnnounced(let wasReset):
            if wasReset { report.resetAfterResponse += 1 }
            connection.close()
            connection.wakeNanoseconds = monotonicNanoseconds() + pauseNanoseconds
        }
    }

    private mutating func finish(_ connection: Connection, with response: Response) {
        let now = monotonicNanoseconds()
        let worker = WorkerIdentity(body: connection.received[response.body])
        if let worker { connection.lastPid = worker.pid }
        guard (200...299).contains(response.status) else {
            fail(connection, .non2xx, .read, "status \(response.status)")
            return
        }
        report.ok += 1
        if report.ok == 1 { writeOut("started\n") }
        if let worker { countAnswer(of: worker) }
        report.latency.record(microseconds: Int((now - connection.startedNanoseconds) / 1000))
        if response.closes { report.announcedCloses += 1 }
        if case .awaitingEnd = connection.phase {
            connection.wakeNanoseconds = now + Self.patienceNanoseconds
        } else {
            connection.wakeNanoseconds = now + pauseNanoseconds
        }
    }

    private mutating func countAnswer(of worker: WorkerIdentity) {
        report.workers[worker, default: 0] += 1
        if options.announcesWorkers, report.workers[worker] == 1 {
            writeOut("worker slot=\(worker.slot) generation=\(worker.generation) pid=\(worker.pid)\n")
        }
    }

    /// The connection is given up, whatever state it is in: what comes after a failure would prove nothing.
    private mutating func fail(
        _ connection: Connection, _ failure: Report.Failure, _ phase: Report.Phase, _ detail: String
    ) {
        let now = monotonicNanoseconds()
        report.record(
            Report.FailureRecord(
                failure: failure, offsetNanoseconds: now - report.startNanoseconds, phase: phase,
                connection: connection.index, localPort: connection.localPort, lastPid: connection.lastPid,
                detail: detail))
        connection.close()
        connection.wakeNanoseconds = now + max(pauseNanoseconds, Self.pauseAfterFailureNanoseconds)
    }
}
