// The three example workers standing alone, with the test as their supervisor: what they answer, and that a drain loses
// nothing, whatever state a connection is in.
import Glibc
import Testing

@Suite struct KitExamplesTests {
    @Test(arguments: Example.allCases) func answersByHand(example: Example) throws {
        let (child, port) = try example.startAlone()
        let connection = try HTTPConnection(port: port)
        let body = "slot=0 generation=0 pid=\(child.pid)\n"

        try connection.get("/")
        let response = try connection.receiveResponse()
        #expect(response.status == 200)
        #expect(response.body == body)
        #expect(!response.closes)

        try connection.get("/slow?ms=20")
        #expect(try connection.receiveResponse().body == body)

        try connection.send("HEAD / HTTP/1.1\r\nHost: test\r\n\r\n")
        let head = try connection.receiveResponse(hasBody: false)
        #expect(head.headers["content-length"] == "\(body.utf8.count)")

        try connection.get("/nothing")
        #expect(try connection.receiveResponse().status == 404)
        try connection.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc")
        #expect(try connection.receiveResponse().status == 405)

        try connection.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        #expect(try connection.receiveResponse().closes)
        try connection.receiveEnd()
        connection.close()

        child.signal(SIGTERM)
        #expect(try child.wait() == 0)
    }

    @Test(arguments: Example.allCases) func answersInOrderWhateverThePieces(example: Example) throws {
        let (child, port) = try example.startAlone()
        let connection = try HTTPConnection(port: port)
        let other = try HTTPConnection(port: port)

        try connection.get("/slow?ms=30")
        try connection.send("GET /nothing HTTP/1.1\r\nHost: test\r\n\r\nGET / HTTP/1.1\r\nHo")
        #expect(try connection.receiveResponse().status == 200)
        #expect(try connection.receiveResponse().status == 404)
        // An answer on another connection shows that the half request doesn't hold the worker up.
        try other.get("/")
        #expect(try other.receiveResponse().status == 200)
        try connection.send("st: test\r\n\r\n")
        #expect(try connection.receiveResponse().status == 200)

        child.signal(SIGTERM)
        try other.get("/")
        try connection.get("/")
        _ = try (other.receiveResponse(), connection.receiveResponse())
        connection.close()
        other.close()
        #expect(try child.wait() == 0)
    }

    @Test(arguments: Example.allCases, ["NONSENSE\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n"])
    func badRequestsAreToldAndEnd(example: Example, text: String) throws {
        let (child, port) = try example.startAlone()
        let connection = try HTTPConnection(port: port)
        try connection.send(text)
        let response = try connection.receiveResponse()
        #expect(response.status == 400)
        #expect(response.closes)
        try connection.receiveEnd()
        connection.close()
        child.signal(SIGTERM)
        #expect(try child.wait() == 0)
    }

    @Test(arguments: Example.allCases) func servesAUnixListener(example: Example) throws {
        let name = "reloaderd-example-test-\(example)-\(getpid())"
        let worker = try ExampleWorker(example, on: try TestListener(at: "@\(name)"))
        let client = try ChildProcess.strictClient("unix:@\(name)", ["--requests", "100", "--keep-alive"])
        #expect(try client.clientReport().columns == ["ok": 100])
        try worker.drain()
        #expect(try worker.process.wait() == 0)
    }

    @Test(arguments: Example.allCases) func pingsWhenWatched(example: Example) throws {
        let worker = try ExampleWorker(example, on: try TestListener(), watchdogMicroseconds: 100_000)
        for _ in 0..<3 { #expect(try worker.messages.next() == "WATCHDOG=1") }
        worker.process.signal(SIGTERM)
        #expect(try worker.process.wait() == 0)
    }

    @Test(arguments: Example.allCases) func survivesAClientThatGivesUp(example: Example) throws {
        let (child, port) = try example.startAlone()
        let hasty = try HTTPConnection(port: port)
        try hasty.send("GET /slow?ms=100 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n")
        let patient = try HTTPConnection(port: port)
        try patient.get("/slow?ms=200")
        hasty.reset()
        #expect(try patient.receiveResponse().status == 200)
        patient.close()
        child.signal(SIGTERM)
        #expect(try child.wait() == 0)
        #expect(try child.errors.next() == nil)
    }

    @Test(arguments: Example.allCases) func drainAnswersEveryConnection(example: Example) throws {
        let listener = try TestListener()
        let worker = try ExampleWorker(example, on: listener)
        let body = "slot=2 generation=7 pid=\(worker.process.pid)\n"

        let silent = try HTTPConnection(port: listener.port)
        let half = try HTTPConnection(port: listener.port)
        let slow = try HTTPConnection(port: listener.port)
        let pipelining = try HTTPConnection(port: listener.port)
        let idle = try HTTPConnection(port: listener.port)
        try half.send("GET / HTTP/1.1\r\n")
        try slow.get("/slow?ms=300")
        try pipelining.send("GET /slow?ms=200 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n")
        // The last one to connect is answered, so the worker has the others too.
        try idle.get("/")
        let answer = try idle.receiveResponse()
        #expect(answer.body == body)
        #expect(!answer.closes)

        try worker.drain()
        #expect(try pipelining.receiveResponse().status == 200)
        for connection in [pipelining, slow] { try expectLast(on: connection, body) }
        try half.send("Host: test\r\n\r\n")
        try expectLast(on: half, body)
        for connection in [silent, idle] {
            try connection.get("/")
            try expectLast(on: connection, body)
        }
        for connection in [silent, half, slow, pipelining, idle] { connection.close() }
        #expect(try worker.process.wait() == 0)
    }

    private func expectLast(on connection: HTTPConnection, _ body: String) throws {
        let response = try connection.receiveResponse()
        #expect(response.status == 200)
        #expect(response.body == body)
        #expect(response.closes)
        try connection.receiveEnd()
    }

    /// The worker sleeps while a connection comes, so that it wakes to the signal and a full accept queue at once.
    @Test(arguments: Example.allCases) func drainEmptiesTheAcceptQueue(example: Example) throws {
        let listener = try TestListener()
        let worker = try ExampleWorker(example, on: listener)
        worker.process.signal(SIGSTOP)
        let waiting = try (0..<20).map { _ in try HTTPConnection(port: listener.port) }
        for connection in waiting { try connection.get("/") }
        worker.process.signal(SIGTERM)
        worker.process.signal(SIGCONT)
        for connection in waiting {
            #expect(try connection.receiveResponse().status == 200)
            connection.close()
        }
        #expect(try worker.process.wait() == 0)
    }

    @Test(arguments: Example.allCases) func drainClosesWhatStaysIdle(example: Example) throws {
        let listener = try TestListener()
        let worker = try ExampleWorker(example, on: listener, drainIdleMilliseconds: 100)
        let (idle, silent) = (try HTTPConnection(port: listener.port), try HTTPConnection(port: listener.port))
        try idle.get("/")
        #expect(try idle.receiveResponse().status == 200)
        try worker.drain()
        try idle.receiveEnd()
        try silent.receiveEnd()
        idle.close()
        silent.close()
        #expect(try worker.process.wait() == 0)
    }

    /// A roll by hand: the old worker drains under load while the new one serves beside it.
    @Test(arguments: Example.allCases, [true, false])
    func handingOverUnderLoadLosesNothing(example: Example, keepAlive: Bool) throws {
        let listener = try TestListener()
        let old = try ExampleWorker(example, on: listener, slot: 0, generation: 1)
        let client = try ChildProcess.strictClient(
            "127.0.0.1:\(listener.port)",
            ["--connections", "8", "--until-eof", "--announce-workers"] + (keepAlive ? ["--keep-alive"] : []))
        #expect(try client.output.next() == "started")
        #expect(try client.output.next() == "worker slot=0 generation=1 pid=\(old.process.pid)")
        let new = try ExampleWorker(example, on: listener, slot: 0, generation: 2)
        try old.drain()
        #expect(try old.process.wait() == 0)
        #expect(try client.output.next() == "worker slot=0 generation=2 pid=\(new.process.pid)")
        client.closeInput()
        let report = try client.clientReport()
        #expect(report.failed == 0, "\(report.failures)")
        #expect(report.columns == ["ok": report.requests])
        #expect(report.workers.map(\.generation) == [1, 2])
        try new.drain()
        #expect(try new.process.wait() == 0)
    }
}
