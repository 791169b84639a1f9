// Programs that know nothing of each other share one port, and a reload loses no request, though all of them end on
// SIGTERM at once, or as their makers will.
import Foundation
import Glibc
import Testing

@Suite(.serialized) struct SharingProgramTests {
    /// A connection a request: none may fail.
    @Test(arguments: SharedProgram.all)
    func reloadsLoseNoRequest(of program: SharedProgram) throws {
        let load = try SharingLoad(program)
        for _ in 0..<3 { try load.reload() }
        let report = try load.finish()
        #expect(report.failed == 0 && report.clientErrors == 0, "\(report.columns) \(report.failures)")
        #expect(report.generations.contains(4), "the last generation has served: \(report.workers)")
        #expect(load.daemon.records("drain_timed_out").isEmpty, "\(load.daemon.story)")
    }

    /// Each of four gets its share: with 400 connections and a share of 100, fewer than 50 is a matter of one in 10⁸.
    @Test(arguments: SharedProgram.all)
    func allWorkersServe(program: SharedProgram) throws {
        let folder = try TestFolder()
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(["--workers", "4"] + program.words(port, in: folder))
        try daemon.next("pool_ready")
        var counts: [Int32: Int] = [:]
        for _ in 0..<400 {
            let answer = try #require(try Asker(port, asking: "/").answer())
            counts[answer.pid, default: 0] += 1
        }
        let workers = Set(daemon.records("worker_ready").compactMap(\.pid))
        #expect(Set(counts.keys) == workers)
        #expect(counts.values.allSatisfy { $0 > 50 }, "\(counts)")
        try daemon.endsClean()
    }

    /// Connections that pause longer than it takes to be called idle: what fails may only be the race that each server
    /// has which closes an idle connection while a request is on its way.
    @Test(arguments: [SharedProgram.node, .threaded, .go, .nginx])
    func reloadsCloseIdleConnections(of program: SharedProgram) throws {
        let load = try SharingLoad(program, client: ["--keep-alive", "--pause-ms", "100", "--connections", "16"])
        for _ in 0..<3 { try load.reload() }
        let report = try load.finish()
        #expect(report.failed <= 2 && report.clientErrors == 0, "\(report.columns) \(report.failures)")
        #expect(report.refused == 0 && report.non2xx == 0 && report.malformed == 0 && report.timedOut == 0)
        #expect(report.generations.contains(4), "\(report.workers)")
        #expect(load.daemon.records("drain_timed_out").isEmpty, "\(load.daemon.story)")
    }
}

/// Programs whose children bind or listen share their port like those that do it themselves, as they are: no --ready,
/// no exec in front. RELOADERD_TREE_RELOADS=20 makes more of the same.
@Suite(.serialized) struct ProcessTreeSharingTests {
    private static let reloads = ProcessInfo.processInfo.environment["RELOADERD_TREE_RELOADS"].flatMap(Int.init) ?? 3

    /// A connection a request: none may fail, and both slots have served in each generation that was waited for.
    @Test(arguments: SharedProgram.trees)
    func reloadsLoseNoRequest(of program: SharedProgram) throws {
        let load = try SharingLoad(program, workers: 2)
        try bothSlotsAnswer(load, generation: 1)
        for number in 0..<Self.reloads {
            try load.reload()
            try bothSlotsAnswer(load, generation: 2 + number)
        }
        let report = try load.finish()
        #expect(report.failed == 0 && report.clientErrors == 0, "\(report.columns) \(report.failures)")
        #expect(load.daemon.records("drain_timed_out").isEmpty, "\(load.daemon.story)")
        #expect(load.daemon.records("worker_failed").isEmpty, "\(load.daemon.story)")
    }

    /// With two that are chosen evenly, 60 connections miss one in 10¹⁸ cases.
    private func bothSlotsAnswer(_ load: SharingLoad, generation: Int) throws {
        var slots: Set<Int> = []
        for _ in 0..<60 where slots.count < 2 {
            let answer = try #require(try Asker(load.port, asking: "/").answer())
            // What the old workers had accepted before they were steered away from, they may still answer.
            if answer.generation == generation { slots.insert(answer.slot) }
        }
        #expect(slots == [0, 1])
    }
}

/// Workers that treat bind and listen as nobody should: the daemon stays up, and others are served meanwhile.
@Suite(.serialized) struct SharingHostileTests {
    /// Slot 0 is hostile, the others serve. While it does what it does, all requests are answered and a reload
    /// succeeds.
    @Test(arguments: ["hammer", "garbage", "fork"])
    func othersAreServed(_ way: String) throws {
        // Garbage may be the name of a unix socket.
        let folder = try TestFolder()
        let (port, own) = (try Network.freePort(), try Network.freePort())
        let daemon = try DaemonUnderTest(
            ["--workers", "3", "--drain-timeout", "1s"] + (try Self.program(way, port, own)), directory: folder.path)
        try daemon.ready(3)
        let client = try SharingLoad.client(port)
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        while !daemon.otherLines.contains("hostile: done") { try daemon.nextLine() }
        let report = try SharingLoad.report(of: client)
        #expect(report.failed == 0, "\(report.columns) \(report.failures)")
        #expect(Set(report.workers.map(\.slot)) == [1, 2], "\(report.workers)")
        #expect(Set(report.workers.map(\.generation)).contains(2))
        #expect(daemon.records("steering_failed").isEmpty)
        if !(try ListeningSockets.alone(daemon.pid).isEmpty) { try theLastOneIsNoticed(daemon, own) }
        try daemon.endsClean()
    }

    /// A socket was closed, or its process has ended, and nothing was bound since: that is noticed when somebody comes.
    private func theLastOneIsNoticed(_ daemon: DaemonUnderTest, _ port: Int) throws {
        let asker = try Asker(port, asking: "/")
        try daemon.next("worker_closed") { $0.slot == 0 }
        #expect(try asker.answer() == nil)
    }

    /// A worker that ends within its calls, again and again.
    @Test func callersThatEndAreForgotten() throws {
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--workers", "3", "--backoff", "1ms", "--backoff-cap", "1ms"]
                + (try Self.program("exit", port, try Network.freePort())))
        while Set(daemon.records("worker_ready").compactMap(\.slot)).isSuperset(of: [1, 2]) == false {
            try daemon.next("worker_ready")
        }
        let client = try SharingLoad.client(port)
        for _ in 0..<15 { try daemon.next("worker_exited") { $0.slot == 0 } }
        let report = try SharingLoad.report(of: client)
        #expect(report.failed == 0, "\(report.columns) \(report.failures)")
        #expect(Set(report.workers.map(\.slot)) == [1, 2])
        try daemon.endsClean()
    }

    private static func program(_ way: String, _ port: Int, _ own: Int) throws -> [String] {
        let (hostile, threads) = (try BuiltPrograms.c("hostile"), try BuiltPrograms.c("threads"))
        return Apps.shell(
            "[ $RELOADERD_SLOT = 0 ] && exec \(hostile) \(way) \(own) 7; exec \(threads) \(port)")
    }
}
