// Threads that are not like others, processes that outlive their worker, and a daemon that is another's worker.
import Foundation
import Testing

@Suite struct SharingThreadTests {
    /// The socket is the thread's own, also while the main thread has another under its number.
    @Test(arguments: ["own-table", "no-leader"])
    func everyThreadSharesItsOwnSocket(_ way: String) throws {
        let load = try SharingLoad(try Self.program(way), workers: 2)
        try load.reload()
        let report = try load.finish()
        #expect(report.failed == 0, "\(report.columns) \(report.failures)")
        #expect(Set(report.workers.map(\.slot)) == [0, 1])
        #expect(report.generations.contains(2))
    }

    /// A request in flight holds the drain wherever its connection is.
    @Test(arguments: ["held", "own-table", "no-leader"])
    func aRequestOfSuchAThreadIsWaitedFor(_ way: String) throws {
        let (folder, port) = (try TestFolder(), try Network.freePort())
        let gate = try Gate(in: folder)
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--ready", "message", try BuiltPrograms.c("awkward"), way, "\(port)", gate.path])
        try daemon.next("pool_ready")
        let asker = try Asker(port, asking: "/")
        try daemon.lines(1, thatStartWith: "accepts one")
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        #expect(try daemon.next(of: ["drain_waits", "worker_exited"]).event == "drain_waits", "\(daemon.story)")
        gate.letPass()
        #expect(try asker.answer()?.generation == 1)
        try daemon.next("worker_exited")
        try daemon.endsClean()
    }

    /// Kernels before Linux 6.9 show only the descriptors of a process' first thread. What is not in them goes its own
    /// way, which is told; what is, as with Go, is shared.
    @Test func anOlderKernelIsTold() throws {
        let old = [try BuiltPrograms.c("confined"), "no-thread-pidfd"]
        let port = try Network.freePort()
        let own = try DaemonUnderTest(
            ["--workers", "1", "--ready", "message"] + (try Self.program("own-table").words(port, in: TestFolder())),
            under: old)
        try own.next("pool_ready")
        #expect(own.otherLines.contains("serves \(port): done"))
        #expect(own.records("port_not_steered").count == 1, "\(own.story)")
        #expect(try Asker(port, asking: "/").answer()?.slot == 0)
        try own.endsClean()

        let other = try Network.freePort()
        let go = try DaemonUnderTest(
            ["--workers", "2"] + SharedProgram.go.words(other, in: TestFolder()), under: old)
        try go.next("pool_ready")
        #expect(go.records("port_not_steered").isEmpty, "\(go.story)")
        try go.endsClean()
    }

    /// `--keep-children`: what a worker leaves behind may bind after its end.
    @Test func aSurvivorBindsAsTheKernelLetsIt() throws {
        let (folder, port, other) = (try TestFolder(), try Network.freePort(), try Network.freePort())
        let fifo = try Fifo(in: folder)
        let daemon = try DaemonUnderTest([
            "--workers", "1", "--ready", "message", "--keep-children", try BuiltPrograms.c("awkward"), "survivor",
            "\(port)", fifo.path, "\(other)",
        ])
        try daemon.next("pool_ready")
        let survivor = try Self.survivor(try fifo.lines.next())
        defer { kill(survivor, SIGKILL) }
        kill(try #require(daemon.records("worker_ready").last?.pid), SIGKILL)
        try daemon.next("worker_ready")
        let second = try Self.survivor(try fifo.lines.next())
        defer { kill(second, SIGKILL) }
        kill(survivor, SIGUSR1)
        #expect(try fifo.lines.next() == "binds \(other): done")
        try daemon.endsClean()
    }

    private static func survivor(_ line: String?) throws -> Int32 {
        try #require(line?.split(whereSeparator: { $0 == " " || $0 == ":" }).dropFirst().first.flatMap { Int32($0) })
    }

    /// The kernel has room for one reader of calls: the inner daemon can't share, says whose place is taken, and goes
    /// on with its one worker as wherever sharing is refused. An outer one that shares nothing leaves it the place.
    @Test func aDaemonUnderADaemonGoesOn() throws {
        let port = try Network.freePort()
        let inner = [Products.reloaderd, "--log-format", "json", "--control", "none"]
        let app = ["--ready", "message", try BuiltPrograms.c("awkward"), "late", "\(port)"]
        let one = try DaemonUnderTest(["--workers", "1"] + inner + ["--workers", "1"] + app)
        // To the outer one the log of the inner one is output of a worker.
        let told = try one.next("worker_output") { $0.message.contains("ports_not_shared") }.message
        #expect(told.contains("outer reloaderd"), "\(told)")
        try one.lines(1, thatStartWith: "serves \(port): done")
        #expect(try Asker(port, asking: "/").answer()?.slot == 0)
        try one.endsClean()

        let two = try DaemonUnderTest(["--workers", "1", "--no-share"] + inner + ["--workers", "2"] + app)
        try two.next("worker_output") { $0.message.contains("pool_ready") && $0.message.contains("\"workers\":2") }
        func count(_ event: String) -> Int { two.records("worker_output").count { $0.message.contains(event) } }
        #expect(count("ports_not_shared") == 0)
        #expect(count("worker_listening") == 2, "\(two.story)")
        try two.endsClean()
    }

    private static func program(_ way: String) throws -> SharedProgram {
        let path = try BuiltPrograms.c("awkward")
        return SharedProgram(name: "awkward \(way)") { port, _ in [path, way, "\(port)"] }
    }
}
