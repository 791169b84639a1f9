// Drains from outside: workers that die at once of SIGTERM get it when nothing is left to do.
import Glibc
import Testing

@Suite struct SharingDrainTests {
    /// Both have a request that takes as long as a test wants.
    private static let gated = [SharedProgram.node, .threaded]

    @Test(arguments: gated)
    func aRequestUnderWayIsAnswered(program: SharedProgram) throws {
        let held = try HeldRequest(program)
        let daemon = held.daemon
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        // It takes nothing new, and is there still.
        for _ in 0..<20 { #expect(try Asker(held.port, asking: "/").answer()?.generation == 2) }
        #expect(kill(held.worker, 0) == 0)
        held.gate.letPass()
        #expect(try held.asker.answer()?.pid == held.worker)
        try daemon.next("worker_exited") { $0.pid == held.worker }
        #expect(daemon.records("drain_timed_out").isEmpty)
        try daemon.endsClean()
    }

    @Test(arguments: gated)
    func aStopLetsRequestsFinish(program: SharedProgram) throws {
        let held = try HeldRequest(program)
        held.daemon.signal(SIGTERM)
        try held.daemon.next("worker_draining") { $0.pid == held.worker }
        held.gate.letPass()
        #expect(try held.asker.answer()?.pid == held.worker)
        #expect(try held.daemon.end() == 0)
        #expect(held.daemon.records("drain_timed_out").isEmpty)
        held.daemon.leavesNothing()
    }

    /// A second SIGTERM is the fast stop.
    @Test func aSecondStopDoesNotWait() throws {
        let held = try HeldRequest(.threaded)
        held.daemon.signal(SIGTERM)
        try held.daemon.next("worker_draining") { $0.pid == held.worker }
        held.daemon.signal(SIGTERM)
        #expect(try held.asker.answer() == nil)
        #expect(try held.daemon.end() == 0)
        held.daemon.leavesNothing()
    }

    @Test(arguments: [SharedProgram.node, .threaded, .go, .nginx])
    func anIdleConnectionIsClosed(program: SharedProgram) throws {
        let folder = try TestFolder()
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--workers", "2", "--drain-idle", "100ms"] + program.words(port, in: folder))
        try daemon.next("pool_ready")
        let asker = try Asker(port, asking: "/", keepsAlive: true)
        let worker = try #require(try asker.answer()?.pid)
        // Connections live as long as the client likes; a second request needs the first worker.
        asker.ask(keepsAlive: true)
        #expect(try asker.answer()?.pid == worker)
        daemon.signal(SIGHUP)
        #expect(try asker.isClosedInTheEnd(), "closed, not reset")
        let exit = try daemon.next("worker_exited") { $0.pid == worker }
        let draining = try #require(daemon.records("worker_draining").first { $0.pid == worker })
        #expect(exit.time - draining.time < 15, "patience after an answer, and not more")
        #expect(daemon.records("drain_timed_out").isEmpty)
        try daemon.endsClean()
    }

    /// A connection that was never used is given more time, and then no more.
    @Test func aConnectionThatNeverAskedIsClosed() throws {
        let folder = try TestFolder()
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--drain-idle", "10ms"] + SharedProgram.node.words(port, in: folder))
        let worker = try #require(try daemon.next("pool_ready").pid ?? daemon.records("worker_ready").first?.pid)
        let asker = try Asker(port)
        daemon.signal(SIGHUP)
        #expect(try asker.isClosedInTheEnd())
        try daemon.next("worker_exited") { $0.pid == worker }
        #expect(daemon.records("drain_timed_out").isEmpty)
        try daemon.endsClean()
    }

    @Test func theTimeOutEndsADrain() throws {
        let held = try HeldRequest(.threaded, ["--drain-timeout", "200ms"])
        held.daemon.signal(SIGHUP)
        let record = try held.daemon.next("drain_timed_out") { $0.pid == held.worker }
        #expect(record.number("connections") == 1)
        #expect(record.number("queue") == 0)
        #expect(record.level == "warn" || record.level == "warning")
        #expect(try held.asker.answer() == nil)
        let exit = try held.daemon.next("worker_exited") { $0.pid == held.worker }
        #expect(exit.text("signal") == "SIGTERM" || exit.number("signal") == 15, "\(exit)")
        try held.daemon.endsClean()
    }

    /// What holds a drain open is told, time and again.
    @Test func aLongDrainIsTold() throws {
        let held = try HeldRequest(.threaded)
        held.daemon.signal(SIGHUP)
        let record = try held.daemon.next("drain_waits") { $0.pid == held.worker }
        #expect(record.number("connections") == 1)
        #expect(record.number("for_seconds") >= 5 || record.number("for") >= 5, "\(record)")
        held.gate.letPass()
        #expect(try held.asker.answer()?.pid == held.worker)
        try held.daemon.next("worker_exited") { $0.pid == held.worker }
        try held.daemon.endsClean()
    }

    @Test func drainSignalLeavesConnectionsToTheWorker() throws {
        let held = try HeldRequest(.threaded, ["--drain", "signal"])
        held.daemon.signal(SIGHUP)
        try held.daemon.next("worker_exited") { $0.pid == held.worker }
        #expect(try held.asker.answer() == nil)
        try held.daemon.endsClean()
    }

    /// Nobody else can accept what waits in a worker's queue: the signal comes when it is empty.
    @Test func drainSignalWaitsForTheQueue() throws {
        let folder = try TestFolder()
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--drain", "signal"] + SharedProgram.threads.words(port, in: folder))
        let worker = try #require(try daemon.next("worker_ready").pid)
        try ProcessGroup.stop(worker)
        let askers = try (0..<16).map { _ in try Asker(port, asking: "/") }
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        kill(worker, SIGCONT)
        for asker in askers { #expect(try asker.answer()?.pid == worker) }
        try daemon.next("worker_exited") { $0.pid == worker }
        try daemon.endsClean()
    }

    /// As above, of a slot that is given up: its listener goes with it.
    @Test func theQueueOfASlotThatIsGivenUpIsWaitedFor() throws {
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--workers", "2", "--listen", "127.0.0.1:\(port)", "--balance", "slot"] + Apps.worker("ready", "serve"))
        try daemon.next("pool_ready")
        let worker = try #require(daemon.records("worker_ready").first { $0.slot == 1 }?.pid)
        // A daemon that runs would send all that comes to the other.
        daemon.signal(SIGSTOP)
        try ProcessGroup.stop(worker)
        let askers = try (0..<24).map { _ in try Asker(port, asking: "/") }
        // CONT discards a TTOU that waits.
        daemon.signal(SIGCONT)
        daemon.signal(SIGTTOU)
        try daemon.next("worker_draining") { $0.pid == worker }
        kill(worker, SIGCONT)
        let pids = try askers.map { try $0.answer()?.pid }
        #expect(pids.allSatisfy { $0 != nil } && pids.contains(worker), "\(pids)")
        try daemon.next("worker_exited") { $0.pid == worker }
        try daemon.endsClean()
    }

    /// WINCH drains all workers; what comes meanwhile is served by those that HUP starts.
    @Test func drainedPoolsComeBack() throws {
        let folder = try TestFolder()
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(["--workers", "2"] + SharedProgram.node.words(port, in: folder))
        try daemon.next("pool_ready")
        daemon.signal(SIGWINCH)
        for _ in 0..<2 { try daemon.next("worker_exited") }
        daemon.signal(SIGHUP)
        try daemon.ready(2)
        #expect(try Asker(port, asking: "/").answer()?.generation == 2)
        try daemon.endsClean()
    }
}

/// A worker that is busy with a request until the test lets it answer.
private final class HeldRequest {
    let daemon: DaemonUnderTest
    let port: Int
    let gate: Gate
    let asker: Asker
    let worker: Int32
    private let folder: TestFolder

    init(_ program: SharedProgram, _ options: [String] = []) throws {
        folder = try TestFolder()
        port = try Network.freePort()
        gate = try Gate(in: folder)
        daemon = try DaemonUnderTest(["--workers", "1"] + options + program.words(port, in: folder))
        worker = try daemon.next("worker_ready").pid ?? 0
        asker = try Asker(port, asking: "/gate?\(gate.path)")
        // It has been accepted when one that came later is answered.
        _ = try Asker(port, asking: "/").answer()
    }
}
