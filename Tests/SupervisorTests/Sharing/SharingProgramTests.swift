// Programs that know nothing of each other share one port, and a reload loses no request, though all of them die at
// once of SIGTERM, or as their makers will.
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
