// What is in the middle is not cut by a drain, and what is at rest does not keep the old worker for long.
import Foundation
import Testing

@Suite struct DrainPatienceTests {
    /// What takes longer than patience used to: the clients ask in these shapes while the pool reloads.
    @Test(arguments: [SharedProgram.node, .threaded])
    func slowAndPausingRequestsAreAnswered(by program: SharedProgram) throws {
        try Self.cutsNothing(program, ["first-4000=2", "upload-2500=1", "stream-150=1", "stream-2500=1"], reloads: 2)
    }

    /// Answers after 0 to 200 ms, each followed by the next request at once.
    @Test(arguments: [SharedProgram.node, .threaded])
    func requestsThatFollowAtOnceAreAnswered(by program: SharedProgram) throws {
        try Self.cutsNothing(program, ["back-to-back=4"], reloads: 3)
    }

    /// The second request comes in the tick of the kernel's clock in which the first was answered, and in two segments:
    /// the kernel says of it what it says of an answered one, but for a segment without data.
    @Test func aRequestInTheTickOfAnAnswerIsAnswered() throws {
        let folder = try TestFolder()
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(["--workers", "1"] + SharedProgram.node.words(port, in: folder))
        try daemon.next("pool_ready")
        let gates = try (0..<8).map { try Gate(in: folder, "gate-\($0)") }
        let clients = try gates.map { gate in
            let client = try Dialogue(port)
            client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try client.hear("pid=") != nil && client.hear("\n") != nil)
            client.say("POST /gate?\(gate.path) HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
            client.say("body")
            return client
        }
        daemon.signal(SIGHUP)
        let record = try daemon.next("drain_waits") { $0.number("for") > 9 }
        #expect(record.number("connections") == 8, "\(record)")
        for gate in gates { gate.letPass() }
        for client in clients { #expect(try client.hear("pid=") != nil) }
        try daemon.endsClean(by: SIGQUIT)
    }

    @Test func aClientThatOnlyListensIsAnswered() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(["--workers", "1"] + SharedProgram.threaded.words(port, in: folder))
        try daemon.next("pool_ready")
        let client = try Dialogue(port)
        client.say("GET /gate?\(gate.path) HTTP/1.1\r\nHost: a\r\n\r\n")
        client.saysNoMore()
        daemon.signal(SIGHUP)
        let record = try daemon.next("drain_waits")
        #expect(record.text("held_by")?.hasSuffix(": the client has ended its side, the program has not") ?? false)
        gate.letPass()
        #expect(try client.hear("pid=") != nil)
        try daemon.drained()
        try daemon.endsClean()
    }

    /// 5 s of patience in a reload, 1 s in a stop, and in no case the 30 s of the drain's time.
    @Test(arguments: [SharedProgram.node, .threaded, .go, .nginx, .puma])
    func clientsAtRestDoNotKeepAWorker(of program: SharedProgram) throws {
        let folder = try TestFolder()
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(["--workers", "2"] + program.words(port, in: folder))
        try daemon.next("pool_ready")
        let before = try Self.clientsAtRest(port)
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        try daemon.drained()
        for client in before { #expect(try client.isClosedInTheEnd(), "closed, not reset") }
        let after = try Self.clientsAtRest(port)
        daemon.signal(SIGTERM)
        #expect(try daemon.end() == 0)
        for client in after { #expect(try client.isClosedInTheEnd(), "closed, not reset") }
        for exit in daemon.records("worker_exited") {
            let draining = try #require(daemon.records("worker_draining").first { $0.pid == exit.pid })
            #expect(exit.time - draining.time < 15, "\(daemon.story)")
        }
        #expect(daemon.records("drain_timed_out").isEmpty, "\(daemon.story)")
        daemon.leavesNothing()
    }

    private static func clientsAtRest(_ port: Int) throws -> [Asker] {
        let clients = try (0..<8).map { _ in try Asker(port) }
        for _ in 0..<2 {
            for client in clients {
                client.ask(keepsAlive: true)
                #expect(try client.answer() != nil)
            }
        }
        return clients
    }

    private static func cutsNothing(_ program: SharedProgram, _ shapes: [String], reloads: Int) throws {
        let load = try ShapedLoad(program) {
            [Apps.python, "\(SharedProgram.folder)/shapes.py", "\($0)"] + shapes
        }
        try load.begin()
        for _ in 0..<reloads { try load.reload() }
        try load.daemon.drained()
        #expect(load.daemon.records("drain_timed_out").isEmpty, "\(load.daemon.story)")
        for (shape, report) in try load.finish() {
            #expect(report.cut.isEmpty && report.ok > 0, "\(shape): \(report.cut) \(report.details)")
        }
    }
}
