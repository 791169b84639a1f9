// How workers say that they serve, and what becomes of those that don't.
import Glibc
import Testing

@Suite struct ReadinessTests {
    /// Each on its own counts.
    @Test(arguments: [
        ["ready"], ["newline"], ["notify"], ["close-ready", "notify"], ["say", "X=1\nREADY=1"],
        ["send", "STATUS=boots\nREADY=1\nX_OTHER=2"],
    ])
    func aWorkerSaysThatItIsReady(words: [String]) throws {
        let daemon = try DaemonUnderTest(["--workers", "1"] + Apps.worker(words + ["wait"]))
        let ready = try daemon.next("worker_ready")
        #expect(ready.slot == 0 && ready.generation == 1)
        try daemon.next("pool_ready")
        try daemon.endsClean()
        #expect(daemon.records("worker_ready").count == 1)
        #expect(daemon.records("worker_failed").isEmpty)
    }

    /// What only looks similar does not.
    @Test(arguments: [
        ["say", "READY=0"], ["say", "READY"], ["say", "ready"], ["send", "\n"], ["send", "READY=yes"], ["close-ready"],
        [],
    ])
    func aSilentWorkerFailsAndTheMessageNamesTheWayOut(words: [String]) throws {
        // Long enough for Python to carry the words out on a busy machine, so that they are there to be misread.
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--ready-timeout", "700ms"] + Apps.worker(words + ["wait"]))
        let started = try daemon.next("worker_started")
        let draining = try daemon.next("worker_draining")
        #expect(draining.pid == started.pid && draining.message == "worker drains: it was not ready in time")
        let failed = try daemon.next("worker_failed")
        #expect(failed.pid == started.pid)
        let begun = try #require(daemon.records("started").first)
        #expect(failed.time - begun.time >= 0.7 - 0.002)
        #expect(
            failed.message
                == "worker was not ready within 0.700s: it listened on no port and sent no READY=1 (to descriptor "
                + "READY_FD or "
                + "to NOTIFY_SOCKET); for a program that cannot, use --ready 2s: ready after running that long")
        #expect(try daemon.next("backoff").number("failures") == 1)
        let exited = try daemon.next("worker_exited")
        #expect(exited.pid == started.pid && exited.number("signal") == 15)
        #expect(daemon.records("worker_ready").isEmpty)
        try daemon.endsClean()
    }

    @Test func aProgramThatSaysNothingIsReadyByItsAge() throws {
        let daemon = try DaemonUnderTest(["--workers", "2", "--ready", "200ms"] + Apps.shell("exec sleep 1000"))
        for ready in try daemon.ready(2) { #expect(ready.number("after") >= 0.2) }
        try daemon.next("pool_ready")
        try daemon.endsClean()
    }

    /// A release with fewer ports than the one before is given a second to open the rest.
    @Test func aReplacementWithFewerPortsIsReadyAfterASecond() throws {
        let (first, second) = (try Network.freePort(), try Network.freePort())
        let daemon = try DaemonUnderTest(
            ["--workers", "1"]
                + Apps.shell(
                    "[ $RELOADERD_GENERATION = 2 ] || set -- tcp4 \(second); "
                        + "exec \(Apps.python) \(SharedProgram.folder)/ports.py tcp4 \(first) \"$@\""))
        try daemon.next("pool_ready")
        daemon.signal(SIGHUP)
        let listens = try daemon.next("worker_listening") { $0.generation == 2 }
        let ready = try daemon.next("worker_ready")
        #expect(ready.pid == listens.pid && ready.time - listens.time >= 1 - 0.002)
        // A release with as many ports is ready as soon as it has all of them.
        daemon.signal(SIGHUP)
        try daemon.next("reload_done") { $0.generation == 3 }
        try daemon.endsClean()
    }

    @Test func aWordComesBeforeTheAge() throws {
        let daemon = try DaemonUnderTest(["--workers", "1", "--ready", "50s"] + Apps.readyShell)
        try daemon.next("pool_ready")
        try daemon.endsClean()
    }

    /// A megabyte of noise harms nobody, is not taken for readiness, and what is said after it counts.
    @Test(arguments: [
        ["flood-ready", "1048576", "say", ""], ["flood-notify", "1048576"],
    ])
    func garbageIsNotReadiness(flood: [String]) throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let words = ["if-slot", "1"] + flood + ["err", "flooded", "gate", gate.path, "end", "ready", "wait"]
        let daemon = try DaemonUnderTest(["--workers", "2"] + Apps.worker(words))
        while !daemon.otherLines.contains("flooded") { try daemon.nextLine() }
        #expect(daemon.records("worker_ready").filter { $0.slot == 1 }.isEmpty)
        gate.letPass()
        try daemon.next("pool_ready")
        try daemon.endsClean()
        #expect(Set(daemon.records("worker_ready").map(\.slot)) == [0, 1])
        #expect(daemon.log.filter { $0.level != "info" }.isEmpty)
    }

    /// While one worker floods without end, the others start, reload and stop.
    @Test(arguments: ["flood-ready", "flood-notify"]) func aFloodWithoutEndHoldsUpNobody(flood: String) throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "2"] + Apps.worker("ready", "if-slot", "1", flood, "1000000000000", "end", "wait"))
        try daemon.next("pool_ready")
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        try daemon.endsClean()
    }

    @Test func aSlowBootAsksForMoreTime() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--ready-timeout", "700ms"]
                + Apps.shell(
                    "echo EXTEND_TIMEOUT_USEC=60000000 >&$READY_FD; sleep 0.8; echo READY=1 >&$READY_FD; "
                        + "exec sleep 1000"
                ))
        let ready = try daemon.next("worker_ready")
        #expect(ready.number("after") >= 0.8)
        #expect(daemon.records("worker_failed").isEmpty)
        try daemon.endsClean()
    }

    @Test func statusLinesAreInTheLog() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let daemon = try DaemonUnderTest(
            ["--workers", "1"]
                + Apps.worker(
                    "say", "STATUS=loading \"rules\"", "gate", gate.path, "send", "STATUS=warm", "notify", "wait"))
        let first = try daemon.next("worker_status")
        #expect(first.text("status") == "loading \"rules\"")
        gate.letPass()
        #expect(try daemon.next("worker_status").text("status") == "warm")
        try daemon.next("worker_ready")
        try daemon.endsClean()
    }
}
