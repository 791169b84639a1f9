// Everything that was seen. A request is in exactly one of the columns ok, refused, reset, earlyEnd, timedOut, non2xx,
// malformed and clientErrors; `failed` is the sum of those that are the server's fault.

struct Report {
    /// Ways in which a request can fail, each counted apart.
    enum Failure: String, CaseIterable {
        /// The connection was not made, most often because no one listens: ECONNREFUSED; ENOENT for a unix socket.
        case refused
        /// ECONNRESET or EPIPE before the response was complete.
        case reset
        /// The server closed before the response was complete.
        case earlyEnd
        case timedOut
        case non2xx
        /// Not HTTP, or bytes that no request asked for (those count as a request of their own).
        case malformed
        /// This machine's or this client's own limits (EADDRNOTAVAIL: no local port left; EMFILE …): says nothing about
        /// the server.
        case clientErrors
    }

    enum Phase: String {
        case connect
        case write
        case read
    }

    struct FailureRecord {
        var failure: Failure
        /// Since `startNanoseconds`.
        var offsetNanoseconds: UInt64
        var phase: Phase
        var connection: Int
        /// nil: a unix socket, or not bound yet.
        var localPort: UInt16?
        /// The process that last answered on this very connection.
        var lastPid: Int?
        var detail: String
    }

    static let failureRecordsMax = 20

    /// CLOCK_MONOTONIC.
    var startNanoseconds: UInt64 = 0
    var endNanoseconds: UInt64 = 0
    var requests = 0
    var ok = 0
    private(set) var failures: [Failure: Int] = [:]
    private(set) var firstFailures: [FailureRecord] = []
    var connectionsOpened = 0
    /// The response said `Connection: close`.
    var announcedCloses = 0
    /// The server closed between two requests without having said so, seen before anything was written: no failure.
    var idleClosed = 0
    /// The response was complete, then the connection was reset instead of closed.
    var resetAfterResponse = 0
    var workers: [WorkerIdentity: Int] = [:]
    var latency = LatencyHistogram()

    var failed: Int {
        Failure.allCases.reduce(0) { $0 + ($1 == .clientErrors ? 0 : count($1)) }
    }

    func count(_ failure: Failure) -> Int { failures[failure, default: 0] }

    mutating func record(_ record: FailureRecord) {
        failures[record.failure, default: 0] += 1
        if firstFailures.count < Self.failureRecordsMax { firstFailures.append(record) }
    }
}

extension Report {
    /// One line of JSON.
    var json: String {
        var fields = [
            "\"startMonotonicNanoseconds\":\(startNanoseconds)",
            "\"elapsedNanoseconds\":\(endNanoseconds - startNanoseconds)",
            "\"requests\":\(requests)", "\"ok\":\(ok)", "\"failed\":\(failed)",
        ]
        fields += Failure.allCases.map { "\"\($0.rawValue)\":\(count($0))" }
        fields += [
            "\"connectionsOpened\":\(connectionsOpened)", "\"announcedCloses\":\(announcedCloses)",
            "\"idleClosed\":\(idleClosed)", "\"resetAfterResponse\":\(resetAfterResponse)",
            "\"latencyMicroseconds\":{\"p50\":\(latency.percentileMicroseconds(0.5)),"
                + "\"p99\":\(latency.percentileMicroseconds(0.99)),\"max\":\(latency.largestMicroseconds)}",
            "\"workers\":[" + sortedWorkers.map(Self.json(worker:requests:)).joined(separator: ",") + "]",
            "\"failures\":[" + firstFailures.map(Self.json(failure:)).joined(separator: ",") + "]",
        ]
        return "{" + fields.joined(separator: ",") + "}\n"
    }

    /// For people.
    var text: String {
        let milliseconds = max(1, (endNanoseconds - startNanoseconds) / 1_000_000)
        var lines = [
            "requests=\(requests) ok=\(ok) failed=\(failed) "
                + Failure.allCases.map { "\($0.rawValue)=\(count($0))" }.joined(separator: " "),
            "elapsed=\(milliseconds)ms rate=\(UInt64(requests) * 1000 / milliseconds)/s"
                + " connections=\(connectionsOpened) announcedCloses=\(announcedCloses) idleClosed=\(idleClosed)"
                + " resetAfterResponse=\(resetAfterResponse)",
            "latency p50=\(latency.percentileMicroseconds(0.5))us p99=\(latency.percentileMicroseconds(0.99))us"
                + " max=\(latency.largestMicroseconds)us",
        ]
        lines += sortedWorkers.map {
            "worker slot=\($0.key.slot) generation=\($0.key.generation) pid=\($0.key.pid) requests=\($0.value)"
        }
        lines += firstFailures.map {
            "\($0.failure.rawValue) at +\($0.offsetNanoseconds / 1000)us phase=\($0.phase.rawValue)"
                + " connection=\($0.connection) localPort=\($0.localPort.map(String.init) ?? "-")"
                + " lastPid=\($0.lastPid.map(String.init) ?? "-"): \($0.detail)"
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private var sortedWorkers: [(key: WorkerIdentity, value: Int)] {
        workers.sorted { ($0.key.generation, $0.key.slot, $0.key.pid) < ($1.key.generation, $1.key.slot, $1.key.pid) }
    }

    private static func json(worker: WorkerIdentity, requests: Int) -> String {
        "{\"pid\":\(worker.pid),\"generation\":\(worker.generation),\"slot\":\(worker.slot),\"requests\":\(requests)}"
    }

    private static func json(failure: FailureRecord) -> String {
        "{\"kind\":\"\(failure.failure.rawValue)\",\"offsetNanoseconds\":\(failure.offsetNanoseconds),"
            + "\"phase\":\"\(failure.phase.rawValue)\",\"connection\":\(failure.connection),"
            + "\"localPort\":\(failure.localPort.map(String.init) ?? "null"),"
            + "\"lastPid\":\(failure.lastPid.map(String.init) ?? "null"),\"detail\":\(quoted(failure.detail))}"
    }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            if scalar == "\"" || scalar == "\\" { quoted += "\\" }
            quoted.unicodeScalars.append(scalar.value < 0x20 ? " " : scalar)
        }
        return quoted + "\""
    }
}
