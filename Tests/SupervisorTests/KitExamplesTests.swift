// The three example workers standing alone, with the test as their supervisor: what they answer, and that a drain loses
// nothing, whatever state a connection is in.
import Glibc
import Testing

enum KitExample: CaseIterable {
    case swift
    case python
    case node

    var command: [String] {
        switch self {
        case .swift: [KitPrograms.httpWorker]
        case .python: ["python3", KitPrograms.source("Examples/python/worker.py")]
        case .node: ["node", KitPrograms.source("Examples/node/worker.js")]
        }
    }

    /// By hand, on a port of its own.
    func startAlone() throws -> (KitChild, port: UInt16) {
        let child = try KitChild(command[0], Array(command.dropFirst()) + ["0"])
        let line = try child.errors.next() ?? ""
        guard let port = line.split(separator: ":").last.flatMap({ UInt16($0) }) else {
            throw KitTimeout(waitedFor: "a port; stderr: \(line)")
        }
        return (child, port)
    }

    /// On a listener of the test, ready.
    func start(
        on listener: KitListener, slot: Int = 2, generation: Int = 7, drainIdleMilliseconds: Int = 10_000,
        watchdogMicroseconds: Int? = nil
    ) throws -> KitWorker {
        let (ready, readyThere) = try KitSocket.pair()
        defer { close(readyThere) }
        var environment = [
            "READY_FD": "4", "RELOADERD_SLOT": "\(slot)", "RELOADERD_GENERATION": "\(generation)",
            "RELOADERD_WORKERS": "4", "DRAIN_IDLE_MS": "\(drainIdleMilliseconds)",
        ]
        environment["WATCHDOG_USEC"] = watchdogMicroseconds.map(String.init)
        let child = try KitChild(
            command[0], Array(command.dropFirst()),
            environment: environment, handedOver: [listener.descriptor, readyThere], listenCount: 1)
        let worker = KitWorker(child: child, messages: KitLines(ready))
        guard try worker.messages.next() == "READY=1" else {
            throw KitTimeout(waitedFor: "READY=1; stderr: \(try child.errors.readToEnd())")
        }
        return worker
    }
}

struct KitWorker {
    var child: KitChild
    /// The ready pipe.
    var messages: KitLines

    /// Asks it to drain, and returns when it has begun to.
    func drain() throws {
        child.signal(SIGTERM)
        guard try messages.next() == "STOPPING=1" else { throw KitTimeout(waitedFor: "STOPPING=1") }
    }
}

@Suite struct KitExamplesTests {
    @Test(arguments: KitExample.allCases) func answersByHand(example: KitExample) throws {
        let (child, port) = try example.startAlone()
        let connection = try KitConnection(port: port)
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
        #expect(try child.waitForExit() == 0)
    }

    @Test(arguments: KitExample.allCases) func answersInOrderWhateverThePieces(example: KitExample) throws {
        let (child, port) = try example.startAlone()
        let connection = try KitConnection(port: port)
        let other = try KitConnection(port: port)

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
        #expect(try child.waitForExit() == 0)
    }

    @Test(arguments: KitExample.allCases, ["NONSENSE\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n"])
    func badRequestsAreToldAndEnd(example: KitExample, text: String) throws {
        let (child, port) = try example.startAlone()
        let connection = try KitConnection(port: port)
        try connection.send(text)
        let response = try connection.receiveResponse()
        #expect(response.status == 400)
        #expect(response.closes)
        try connection.receiveEnd()
        connection.close()
        child.signal(SIGTERM)
        #expect(try child.waitForExit() == 0)
    }

    @Test(arguments: KitExample.allCases) func servesAUnixListener(example: KitExample) throws {
        let name = "reloaderd-example-test-\(example)-\(getpid())"
        let worker = try example.start(on: try KitListener(abstractName: name))
        let client = try KitChild.strictClient("unix:@\(name)", "--requests", "100", "--keep-alive")
        #expect(try client.clientReport().columns == ["ok": 100])
        try worker.drain()
        #expect(try worker.child.waitForExit() == 0)
    }

    @Test(arguments: KitExample.allCases) func pingsWhenWatched(example: KitExample) throws {
        let worker = try example.start(on: try KitListener(), watchdogMicroseconds: 100_000)
        for _ in 0..<3 { #expect(try worker.messages.next() == "WATCHDOG=1") }
        worker.child.signal(SIGTERM)
        #expect(try worker.child.waitForExit() == 0)
    }

    @Test(arguments: KitExample.allCases) func survivesAClientThatGivesUp(example: KitExample) throws {
        let (child, port) = try example.startAlone()
        let hasty = try KitConnection(port: port)
        try hasty.send("GET /slow?ms=100 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n")
        let patient = try KitConnection(port: port)
        try patient.get("/slow?ms=200")
        hasty.reset()
        #expect(try patient.receiveResponse().status == 200)
        patient.close()
        child.signal(SIGTERM)
        #expect(try child.waitForExit() == 0)
        #expect(try child.errors.next() == nil)
    }

    @Test(arguments: KitExample.allCases) func drainAnswersEveryConnection(example: KitExample) throws {
        let listener = try KitListener()
        let worker = try example.start(on: listener)
        let body = "slot=2 generation=7 pid=\(worker.child.pid)\n"

        let silent = try KitConnection(port: listener.port)
        let half = try KitConnection(port: listener.port)
        let slow = try KitConnection(port: listener.port)
        let pipelining = try KitConnection(port: listener.port)
        let idle = try KitConnection(port: listener.port)
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
        #expect(try worker.child.waitForExit() == 0)
    }

    private func expectLast(on connection: KitConnection, _ body: String) throws {
        let response = try connection.receiveResponse()
        #expect(response.status == 200)
        #expect(response.body == body)
        #expect(response.closes)
        try connection.receiveEnd()
    }

    /// The worker sleeps while a connection comes, so that it wakes to the signal and a full accept queue at once.
    @Test(arguments: KitExample.allCases) func drainEmptiesTheAcceptQueue(example: KitExample) throws {
        let listener = try KitListener()
        let worker = try example.start(on: listener)
        worker.child.signal(SIGSTOP)
        let waiting = try (0..<20).map { _ in try KitConnection(port: listener.port) }
        for connection in waiting { try connection.get("/") }
        worker.child.signal(SIGTERM)
        worker.child.signal(SIGCONT)
        for connection in waiting {
            #expect(try connection.receiveResponse().status == 200)
            connection.close()
        }
        #expect(try worker.child.waitForExit() == 0)
    }

    @Test(arguments: KitExample.allCases) func drainClosesWhatStaysIdle(example: KitExample) throws {
        let listener = try KitListener()
        let worker = try example.start(on: listener, drainIdleMilliseconds: 100)
        let (idle, silent) = (try KitConnection(port: listener.port), try KitConnection(port: listener.port))
        try idle.get("/")
        #expect(try idle.receiveResponse().status == 200)
        try worker.drain()
        try idle.receiveEnd()
        try silent.receiveEnd()
        idle.close()
        silent.close()
        #expect(try worker.child.waitForExit() == 0)
    }

    /// A roll by hand: the old worker drains under load while the new one serves beside it.
    @Test(arguments: KitExample.allCases, [true, false])
    func handingOverUnderLoadLosesNothing(example: KitExample, keepAlive: Bool) throws {
        let listener = try KitListener()
        let old = try example.start(on: listener, slot: 0, generation: 1)
        let client = try KitChild(
            KitPrograms.strictClient,
            ["--address", "127.0.0.1:\(listener.port)", "--json", "--connections", "8", "--until-eof"]
                + ["--announce-workers"] + (keepAlive ? ["--keep-alive"] : []))
        #expect(try client.output.next() == "started")
        #expect(try client.output.next() == "worker slot=0 generation=1 pid=\(old.child.pid)")
        let new = try example.start(on: listener, slot: 0, generation: 2)
        try old.drain()
        #expect(try old.child.waitForExit() == 0)
        #expect(try client.output.next() == "worker slot=0 generation=2 pid=\(new.child.pid)")
        client.closeInput()
        let report = try client.clientReport()
        #expect(report.failed == 0, "\(report.failures)")
        #expect(report.columns == ["ok": report.requests])
        #expect(report.workers.map(\.generation) == [1, 2])
        try new.drain()
        #expect(try new.child.waitForExit() == 0)
    }
}
