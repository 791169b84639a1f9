// The strict client against servers that do one thing wrong each: every failure in its own column, and nothing retried.
import Glibc
import Testing

@Suite struct ClientTests {
    private let listener: TestListener
    private var address: String { "127.0.0.1:\(listener.port)" }

    init() throws { listener = try TestListener() }

    private func ok(_ body: String = "slot=1 generation=2 pid=345\n", headers: String = "") -> String {
        "HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\(headers)\r\n\(body)"
    }

    /// One connection that makes so many requests.
    private func client(requests: Int = 1, _ options: String...) throws -> ChildProcess {
        try .strictClient(address, ["--connections", "1", "--requests", "\(requests)"] + options)
    }

    /// Takes the request of the next connection and answers it with these bytes.
    @discardableResult
    private func answer(_ text: String) throws -> HTTPConnection {
        let connection = try HTTPConnection(owning: listener.accept())
        _ = try connection.receiveHead()
        try connection.send(text)
        return connection
    }

    @Test func goodResponsesAreCountedByWorker() throws {
        let client = try client(requests: 2)
        try answer(ok(headers: "Connection: close\r\n")).close()
        #expect(try client.output.next() == "started")
        try answer(ok("slot=0 generation=2 pid=344\n", headers: "connection: Close\r\n")).close()
        let report = try client.clientReport()
        #expect(report.columns == ["ok": 2])
        #expect(report.requests == 2)
        #expect(report.connectionsOpened == 2)
        #expect(report.announcedCloses == 2)
        #expect(
            report.workers == [
                .init(pid: 344, generation: 2, slot: 0, requests: 1),
                .init(pid: 345, generation: 2, slot: 1, requests: 1),
            ])
        let latency = report.latencyMicroseconds
        #expect(latency.p50 > 0)
        #expect(latency.p50 <= latency.p99)
        #expect(latency.p99 <= latency.max)
        #expect(try client.wait() == 0)
    }

    @Test(arguments: [
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\na\r\n0123456789\r\n0\r\nT: x\r\n\r\n",
        "HTTP/1.0 200 OK\r\nServer: old\r\n\r\nup to the end",
    ])
    func responsesEndInManyWays(text: String) throws {
        let client = try client()
        try answer(text).close()
        #expect(try client.clientReport().columns == ["ok": 1])
    }

    @Test func responsesMayComeInPieces() throws {
        let client = try client()
        let connection = try HTTPConnection(owning: listener.accept())
        _ = try connection.receiveHead()
        for piece in ok().utf8 { try connection.send(String(decoding: [piece], as: UTF8.self)) }
        connection.close()
        #expect(try client.clientReport().columns == ["ok": 1])
    }

    @Test func refusedConnections() throws {
        let closed = try TestListener(listens: false)
        let client = try ChildProcess.strictClient(
            "127.0.0.1:\(closed.port)", ["--connections", "1", "--requests", "3"])
        let report = try client.clientReport()
        #expect(report.columns == ["refused": 3])
        #expect(report.failed == 3)
        #expect(report.failures.map(\.phase) == ["connect", "connect", "connect"])
    }

    @Test func aMissingUnixSocketRefuses() throws {
        let client = try ChildProcess.strictClient(
            "unix:/nonexistent/socket", ["--connections", "1", "--requests", "1"])
        #expect(try client.clientReport().columns == ["refused": 1])
    }

    @Test func resets() throws {
        let client = try client()
        let connection = try HTTPConnection(owning: listener.accept())
        _ = try connection.receiveHead()
        connection.reset()
        let report = try client.clientReport()
        #expect(report.columns == ["reset": 1])
        let failure = try #require(report.failures.first)
        #expect(failure.kind == "reset")
        #expect(failure.phase == "read")
        #expect(failure.localPort != nil)
        #expect(failure.offsetNanoseconds <= report.elapsedNanoseconds)
    }

    @Test func resetsInTheMiddleOfAResponse() throws {
        let client = try client()
        try answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345").reset()
        #expect(try client.clientReport().columns == ["reset": 1])
    }

    @Test(arguments: ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"])
    func earlyEnds(text: String) throws {
        let client = try client()
        try answer(text).close()
        let report = try client.clientReport()
        #expect(report.columns == ["earlyEnd": 1])
        #expect(report.failures.first?.detail == "closed after \(text.utf8.count) bytes of the response")
    }

    @Test(arguments: [503, 404, 302]) func otherStatuses(status: Int) throws {
        let client = try client()
        try answer("HTTP/1.1 \(status) Nope\r\nContent-Length: 0\r\n\r\n").close()
        let report = try client.clientReport()
        #expect(report.columns == ["non2xx": 1])
        #expect(report.failures.first?.detail == "status \(status)")
    }

    @Test func stalls() throws {
        let client = try client("--timeout-ms", "100")
        let connection = try answer("HTTP/1.1 200 OK\r\n")
        let report = try client.clientReport()
        #expect(report.columns == ["timedOut": 1])
        #expect(report.elapsedNanoseconds >= 100_000_000)
        connection.close()
    }

    @Test(arguments: [
        "220 ready\r\n\r\n", "HTTP/1.1 20x OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    ])
    func malformedResponses(text: String) throws {
        let client = try client()
        try answer(text).close()
        #expect(try client.clientReport().columns == ["malformed": 1])
    }

    @Test func keepAliveUsesOneConnection() throws {
        let client = try client(requests: 3, "--keep-alive")
        let connection = try answer(ok())
        for _ in 0..<2 {
            _ = try connection.receiveHead()
            try connection.send(ok())
        }
        try connection.receiveEnd()
        let report = try client.clientReport()
        #expect(report.columns == ["ok": 3])
        #expect(report.connectionsOpened == 1)
    }

    @Test func anAnnouncedCloseIsNoFailure() throws {
        let client = try client(requests: 2, "--keep-alive")
        try answer(ok(headers: "Connection: close\r\n")).close()
        try answer(ok()).close()
        let report = try client.clientReport()
        #expect(report.columns == ["ok": 2])
        #expect(report.announcedCloses == 1)
        #expect(report.connectionsOpened == 2)
    }

    @Test func aCloseBetweenRequestsIsCountedApart() throws {
        let client = try client(requests: 2, "--keep-alive", "--pause-ms", "300")
        try answer(ok()).close()
        try answer(ok()).close()
        let report = try client.clientReport()
        #expect(report.columns == ["ok": 2, "idleClosed": 1])
        #expect(report.failed == 0)
    }

    @Test func aCloseAfterTheRequestIsAFailure() throws {
        let client = try client(requests: 2, "--keep-alive")
        let connection = try answer(ok())
        _ = try connection.receiveHead()
        connection.close()
        let report = try client.clientReport()
        #expect(report.columns == ["ok": 1, "earlyEnd": 1])
        #expect(report.failures.first?.lastPid == 345)
    }

    @Test func bytesThatNobodyAskedForAreMalformed() throws {
        let client = try client(requests: 2, "--keep-alive", "--pause-ms", "300")
        let connection = try answer(ok())
        #expect(try client.output.next() == "started")
        try connection.send("HTTP/1.1 408 Request Timeout\r\n\r\n")
        #expect(try client.clientReport().columns == ["ok": 1, "malformed": 1])
    }

    @Test func unixSocketsWork() throws {
        let name = "reloaderd-client-test-\(getpid())"
        let listener = try TestListener(at: "@\(name)")
        let client = try ChildProcess.strictClient("unix:@\(name)", ["--connections", "1", "--requests", "1"])
        let connection = try HTTPConnection(owning: listener.accept())
        #expect(try connection.receiveHead().hasPrefix("GET / HTTP/1.1\r\n"))
        try connection.send(ok())
        connection.close()
        #expect(try client.clientReport().columns == ["ok": 1])
    }

    @Test func itsOwnLimitsAreNotTheServersFault() throws {
        // stdin, stdout, stderr and the signal pipe are five.
        let command = #"ulimit -n 5; exec "$0" "$@""#
        let options = ["--connections", "1", "--requests", "2"]
        let client = try ChildProcess.strictClient(address, options, under: ["/bin/sh", "-c", command])
        let report = try client.clientReport()
        #expect(report.columns == ["clientErrors": 2])
        #expect(report.failed == 0)
        #expect(report.failures.first?.detail == "Too many open files")
    }

    @Test func endsWithItsInput() throws {
        let client = try ChildProcess.strictClient(address, ["--connections", "1", "--keep-alive", "--until-eof"])
        let connection = try answer(ok())
        #expect(try client.output.next() == "started")
        client.closeInput()
        // A request under way may still finish.
        while (try? connection.receiveHead()) != nil { try connection.send(ok()) }
        #expect(try client.clientReport().failed == 0)
        #expect(try client.wait() == 0)
    }

    @Test func endsWithASignal() throws {
        let client = try ChildProcess.strictClient(
            address, ["--connections", "1", "--keep-alive", "--pause-ms", "3600000"])
        let connection = try answer(ok())
        #expect(try client.output.next() == "started")
        client.signal(SIGTERM)
        #expect(try client.clientReport().columns == ["ok": 1])
        #expect(try client.wait() == 0)
        connection.close()
    }

    @Test func endsInTime() throws {
        let client = try ChildProcess.strictClient(
            address, ["--connections", "1", "--keep-alive", "--pause-ms", "3600000", "--duration-ms", "200"])
        let connection = try answer(ok())
        #expect(try client.clientReport().columns == ["ok": 1])
        connection.close()
    }

    @Test(arguments: [
        [], ["--address", "nowhere"], ["--address", "127.0.0.1:0"], ["--address", "127.0.0.1:65536"],
        ["--address", "example.com:80"], ["--address", "unix:"], ["--address", "127.0.0.1:1", "--connections", "0"],
        ["--address", "127.0.0.1:1", "--requests", "x"], ["--address", "127.0.0.1:1", "--path", "x"],
        ["--address", "127.0.0.1:1", "--retry"], ["--address"],
    ])
    func unusableOptionsAreRefused(options: [String]) throws {
        let client = try ChildProcess([Products.strictClient] + options)
        #expect(try client.wait() == 64)
        #expect(try client.errors.next()?.hasPrefix("strict-client: ") == true)
        #expect(try client.output.next() == nil)
    }
}
