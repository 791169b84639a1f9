// Workers that are replaced by others of their generation, unasked: --max-age and --max-memory.
import Foundation
import Testing

@Suite struct RecycleTests {
    private static let python = ["/usr/bin/python3", "-ISc"]

    /// From the begin of a replacement to its end as many were ready as before, and the old worker was asked to finish
    /// when the new one was ready.
    private func expectNoDip(_ daemon: DaemonUnderTest, workers: Int) throws {
        let began = try #require(daemon.records("recycle_began").first)
        let done = try #require(daemon.records("recycle_done").first)
        #expect(Capacity.least(in: daemon.log, from: began, to: done) == workers)
    }

    @Test func anOldWorkerIsReplacedByANewOne() throws {
        let daemon = try DaemonUnderTest(["--workers", "2", "--max-age", "1s"] + Apps.readyShell)
        let ready = try daemon.next("worker_ready")
        let began = try daemon.next("recycle_began")
        #expect(began.message == "replacing the worker with a new one: it reached --max-age")
        #expect(began.time - ready.time >= 0.9 - 0.002)
        let done = try daemon.next("recycle_done")
        #expect(done.slot == began.slot)
        try expectNoDip(daemon, workers: 2)
        // Also the other slot, in its turn.
        while try daemon.next("recycle_done").slot == began.slot {}
        try daemon.endsClean()
    }

    /// Each worker needs as much from its start: the second one is said to, and stays.
    @Test func aLimitBelowWhatAWorkerNeedsIsSaid() throws {
        let script = """
            import os, signal
            memory = b"x" * (60 << 20)
            os.write(int(os.environ["READY_FD"]), b"READY=1\\n")
            signal.pause()
            """
        let daemon = try DaemonUnderTest(["--workers", "1", "--max-memory", "20M"] + Self.python + [script])
        try daemon.next("recycle_done")
        let told = try daemon.next("memory_limit_too_low")
        #expect(told.message.contains("the limit is too low if it needs that much from its start"), "\(told)")
        #expect(told.number("delay") >= 30 && told.number("times") == 1)
        #expect(daemon.records("recycle_began").count == 1)
        // It is said once, in the place of the next replacement.
        #expect(daemon.records("worker_over_memory").count == 2)
        try daemon.endsClean()
    }

    /// What its children take counts; what they share with it, once. Slot 0 shares 60 MB with a child; slot 1 has a
    /// child with 100 MB, the first time.
    @Test func aWorkerThatTakesTooMuchIsReplaced() throws {
        let folder = try TestFolder()
        let script = """
            import os, signal
            slot = os.environ["RELOADERD_SLOT"]
            first = not os.path.exists(slot)
            open(slot, "w").close()
            memory = b"x" * (60 << 20) if slot == "0" else b""
            if os.fork() == 0:
                memory += b"x" * (100 << 20) if slot == "1" and first else b""
                os.write(int(os.environ["READY_FD"]), b"READY=1\\n")
            signal.pause()
            """
        let daemon = try DaemonUnderTest(
            ["--workers", "2", "--max-memory", "90M", "--chdir", folder.path] + Self.python + [script])
        let over = try daemon.next("worker_over_memory")
        #expect(over.slot == 1)
        #expect(over.message.hasSuffix(" of memory, more than --max-memory 90M"), "\(over.message)")
        let began = try daemon.next("recycle_began")
        #expect(began.slot == 1)
        #expect(
            began.message == "replacing the worker with a new one: it exceeds --max-memory")
        let exited = try daemon.next("worker_exited")
        #expect(exited.pid == over.pid && exited.number("signal") == 15 && exited.level == "info", "\(exited)")
        try expectNoDip(daemon, workers: 2)
        // Both were looked at in the same turn.
        #expect(daemon.records("worker_over_memory").count == 1)
        try daemon.endsClean()
    }
}
