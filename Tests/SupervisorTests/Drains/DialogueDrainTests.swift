// What a drain makes of connections that carry more than one HTTP/1 request after the other.
import Foundation
import Testing

@Suite struct DialogueDrainTests {
    // MARK: at rest: closed in a stop, within its second of patience

    @Test func aDialogueAtRestIsClosed() throws {
        let stage = try Stage("smtp")
        let mail = try Dialogue(stage.port)
        #expect(try mail.hear("\n") == "220 ready\r\n")
        for _ in 0..<5 {
            mail.say("EHLO test\r\n")
            #expect(try mail.hear("\n") == "250 hello\r\n")
        }
        let greeted = try Dialogue(stage.port)
        #expect(try greeted.hear("\n") == "220 ready\r\n")
        try stage.stopCloses(mail, greeted)
    }

    @Test func aDatabaseConnectionAtRestIsClosed() throws {
        let stage = try Stage()
        let client = try Dialogue(stage.port)
        for _ in 0..<5 {
            client.say("PING\r\n")
            #expect(try client.hear("\n") == "+PONG\r\n")
        }
        try stage.stopCloses(client)
    }

    @Test func aWebSocketThatTheServerSpokeOnLastIsClosed() throws {
        let stage = try Stage()
        let client = try stage.webSocket()
        for _ in 0..<5 {
            client.say(Stage.frame("hello"))
            #expect(try client.hear("hello") != nil)
        }
        try stage.stopCloses(client)
    }

    @Test func TLSAtRestIsClosed() throws {
        let folder = try TestFolder()
        let (daemon, port) = try Self.pool(["--workers", "1"]) {
            [Apps.python, "\(SharedProgram.folder)/tls.py", "serve", "\($0)", folder.path]
        }
        let client = try ChildProcess([Apps.python, "\(SharedProgram.folder)/tls.py", "ask", "\(port)"])
        for _ in 0..<5 {
            client.writeLine("/")
            #expect(try client.output.next() == "200")
        }
        daemon.signal(SIGTERM)
        #expect(try client.output.next() == "closed")
        #expect(try daemon.end() == 0)
        #expect(daemon.records("drain_timed_out").isEmpty, "\(daemon.story)")
        daemon.leavesNothing()
    }

    // MARK: in the middle: held, however long it takes

    @Test func aCommandThatTakesLongIsAnswered() throws {
        let stage = try Stage("smtp")
        let client = try Dialogue(stage.port)
        _ = try client.hear("\n")
        client.say("EHLO test\r\n")
        _ = try client.hear("\n")
        client.say("WAIT \(stage.gate.path)\r\n")
        try stage.reloadWaits()
        stage.gate.letPass()
        #expect(try client.hear("\n") == "250 waited\r\n")
        #expect(try client.isClosedInTheEnd(), "at rest by now")
        try stage.daemon.drained()
        try stage.daemon.endsClean()
    }

    @Test func aMessageThatPausesIsTaken() throws {
        let stage = try Stage("smtp")
        let client = try Dialogue(stage.port)
        _ = try client.hear("\n")
        client.say("DATA\r\n")
        #expect(try client.hear("\n") == "354 go on\r\n")
        client.say("half of it\r\n")
        try stage.reloadWaits()
        client.say("the other half\r\n.\r\n")
        #expect(try client.hear("\n") == "250 taken\r\n")
        try stage.daemon.drained()
        try stage.daemon.endsClean()
    }

    @Test func aBlockingPopIsAnswered() throws {
        let stage = try Stage()
        let client = try Dialogue(stage.port)
        client.say("PING\r\n")
        _ = try client.hear("\n")
        client.say("BLPOP \(stage.gate.path)\r\n")
        try stage.reloadWaits()
        stage.gate.letPass()
        #expect(try client.hear("\n") == "+popped\r\n")
        try stage.daemon.drained()
        try stage.daemon.endsClean()
    }

    @Test func aRequestInTLSIsAnswered() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let (daemon, port) = try Self.pool(["--workers", "1"]) {
            [Apps.python, "\(SharedProgram.folder)/tls.py", "serve", "\($0)", folder.path]
        }
        let client = try ChildProcess([Apps.python, "\(SharedProgram.folder)/tls.py", "ask", "\(port)"])
        try Self.drainAnswers(client, at: gate, by: daemon)
        try daemon.drained()
        try daemon.endsClean()
    }

    @Test func aStreamOfHTTP2IsAnswered() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let (daemon, port) = try Self.pool(["--workers", "1"]) { try SharedProgram.h2c.words($0, in: folder) }
        let client = try ChildProcess(["node", "\(SharedProgram.folder)/session.js", "\(port)"])
        try Self.drainAnswers(client, at: gate, by: daemon)
        try daemon.endsClean(by: SIGQUIT)
    }

    /// The kernel says of calls under way what it says of others: the client was last to send.
    @Test func aCallOfGRPCIsAnswered() throws {
        let folder = try TestFolder()
        let (daemon, port) = try Self.pool(["--workers", "1"]) { try SharedProgram.grpc.words($0, in: folder) }
        let client = try ChildProcess([Apps.python, "\(SharedProgram.folder)/channel.py", "\(port)"])
        client.writeLine("1")
        #expect(try client.output.next() == "OK")
        client.writeLine("4000")
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        #expect(try client.output.next() == "OK")
        try daemon.endsClean(by: SIGQUIT)
    }

    @Test func requestsThatWereSentAheadAreAnswered() throws {
        let folder = try TestFolder()
        let (daemon, port) = try Self.pool(["--workers", "1"]) { try SharedProgram.node.words($0, in: folder) }
        let client = try Dialogue(port)
        client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /sleep?ms=3000 HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try client.hear("pid=") != nil)
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        #expect(try client.hear("pid=") != nil)
        try daemon.drained()
        try daemon.endsClean()
    }

    // MARK: what can't be told from a request

    /// It was the client that spoke last: a request, for all that can be seen.
    @Test func aWebSocketThatTheClientSpokeOnLastIsHeld() throws {
        let stage = try Stage(options: ["--drain-timeout", "2s"])
        let client = try stage.webSocket()
        client.say(Stage.frame("hello"))
        #expect(try client.hear("hello") != nil)
        client.say(Stage.frame("silence"))
        stage.daemon.signal(SIGHUP)
        let record = try stage.daemon.next("drain_timed_out")
        #expect(record.number("connections") == 1)
        #expect(stage.isUnanswered(record), "\(record)")
        try stage.daemon.endsClean()
    }

    /// Often the client of HTTP/2 was last to send, when it acknowledged the server's settings: then it is held to the
    /// end.
    @Test func aSessionOfHTTP2AtRestEndsWithTheDrain() throws {
        let (daemon, port) = try Self.pool(["--workers", "1", "--drain-timeout", "2s"]) {
            ["node", "\(SharedProgram.folder)/app.js", "\($0)", "h2c"]
        }
        let client = try ChildProcess(["node", "\(SharedProgram.folder)/session.js", "\(port)"])
        client.writeLine("/")
        #expect(try client.output.next() == "200")
        daemon.signal(SIGHUP)
        #expect(try client.output.next() == "closed")
        try daemon.drained()
        try daemon.endsClean()
    }

    /// A reload waits for a request that is held at the gate; then the client is answered, and leaves.
    private static func drainAnswers(_ client: ChildProcess, at gate: Gate, by daemon: DaemonUnderTest) throws {
        client.writeLine("/")
        #expect(try client.output.next() == "200")
        client.writeLine("/gate?\(gate.path)")
        daemon.signal(SIGHUP)
        try daemon.next("drain_waits")
        gate.letPass()
        #expect(try client.output.next() == "200")
        client.closeInput()
    }

    private static func pool(
        _ options: [String], _ words: (_ port: Int) throws -> [String]
    ) throws -> (DaemonUnderTest, port: Int) {
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(options + words(port))
        try daemon.next("pool_ready")
        return (daemon, port)
    }
}

/// A worker with dialogs.py, and a gate for what takes long.
private struct Stage {
    let port: Int
    let daemon: DaemonUnderTest
    let gate: Gate
    private let folder: TestFolder

    init(_ words: String..., options: [String] = []) throws {
        folder = try TestFolder()
        gate = try Gate(in: folder)
        port = try Network.freePort()
        daemon = try DaemonUnderTest(
            ["--workers", "1"] + options + [Apps.python, "\(SharedProgram.folder)/dialogs.py", "\(port)"] + words)
        try daemon.next("pool_ready")
    }

    func webSocket() throws -> Dialogue {
        let client = try Dialogue(port)
        client.say(
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        guard try client.hear("\r\n\r\n")?.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") ?? false else {
            throw DidNotHappen(description: "no WebSocket")
        }
        return client
    }

    /// A short text, masked with zeros.
    static func frame(_ text: String) -> [UInt8] {
        [0x81, 0x80 | UInt8(text.utf8.count), 0, 0, 0, 0] + Array(text.utf8)
    }

    func stopCloses(_ clients: Dialogue...) throws {
        daemon.signal(SIGTERM)
        for client in clients { #expect(try client.isClosedInTheEnd(), "closed, not reset") }
        #expect(try daemon.end() == 0)
        #expect(daemon.records("drain_timed_out").isEmpty, "\(daemon.story)")
        daemon.leavesNothing()
    }

    /// Reloads, and returns when the drain has said, after 5 s, that a request holds it.
    func reloadWaits() throws {
        daemon.signal(SIGHUP)
        let record = try daemon.next("drain_waits")
        #expect(isUnanswered(record), "\(record)")
    }

    func isUnanswered(_ record: LogLine) -> Bool {
        let words = record.text("held_by") ?? ""
        return words.contains(": a request unanswered for ") || words.contains(" perhaps asked again ")
    }
}
