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

    /// 5 s of patience in a reload, 1 s in a stop. A client whose last acknowledgment falls into the tick of the answer
    /// cannot be told from one that has asked again, and is given more, but never the 30 s of the drain's time.
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
            #expect(exit.time - draining.time < 25, "\(daemon.story)")
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

/// Real servers under traffic that is in the middle of something at any time: slow answers, uploads and streams that
/// pause, requests that follow at once or are sent ahead. Reloads cut none of it. Benchmarks/drains.py is the large
/// form.
@Suite struct DrainMatrixTests {
    /// All run at the same time, since their drains mostly wait.
    @Test func reloadsCutNothing() throws {
        let loads = try Self.rows.map { (name: $0, load: try $1()) }
        for (_, load) in loads { try load.begin() }
        for _ in 0..<2 {
            for (_, load) in loads { try load.reload() }
            for (_, load) in loads { try load.daemon.drained() }
        }
        for (name, load) in loads {
            // Not a cut by itself: a client that asks every 100 ms for half a minute may never be seen at rest.
            for record in load.daemon.records("drain_timed_out") { print("\(name): \(record)") }
            for (shape, report) in try load.finish() { cutsNothing(report, "\(name), \(shape)") }
        }
    }

    private typealias Row = (name: String, load: () throws -> ShapedLoad)

    private static var rows: [Row] {
        let servers: [SharedProgram] = [.node, .go, .uvicorn, .aiohttp, .threaded, .hypercorn]
        return servers.map { program in (program.name, { try asked(program) }) } + [
            // These forget requests that were sent ahead, with reloads or without.
            ("gunicorn --threads", { try asked(.gunicornThreads, in: shapes.filter { $0 != "pipelined=1" }) }),
            ("Puma", { try asked(.puma, in: shapes.filter { $0 != "pipelined=1" }) }),
            ("nginx in front of node", { try asked(.node, in: shapes + ["--proxied"], proxied: true) }),
            ("h2c", { try ShapedLoad(.h2c) { ["node", "\(folder)/h2c.js", "\($0)", "2"] } }),
            ("gRPC", { try ShapedLoad(.grpc) { [Apps.python, "\(folder)/rpc.py", "ask", "\($0)", "2"] } }),
        ]
    }

    private static let folder = SharedProgram.folder
    private static let shapes = [
        "first-1300=2", "back-to-back=2", "think-100=2", "upload-1300=1", "stream-700=1", "pipelined=1",
    ]

    private static func asked(
        _ program: SharedProgram, in shapes: [String] = shapes, proxied: Bool = false
    ) throws -> ShapedLoad {
        try ShapedLoad(program, proxied: proxied) {
            [Apps.python, "\(folder)/shapes.py", "\($0)"] + shapes
        }
    }

    /// A server that closes idle connections may lose a request in a race: such losses are told, and no fault.
    private func cutsNothing(_ report: ShapedLoad.Report, _ name: String) {
        #expect(report.cut.isEmpty, "\(name): \(report.cut) of \(report.requests): \(report.details)")
        #expect(report.ok > 0, "\(name)")
        if report.races > 0 { print("\(name): \(report.races) idle-close races in \(report.requests) requests") }
    }
}
