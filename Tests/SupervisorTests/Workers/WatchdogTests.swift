// `--watchdog`, and workers that say that they end.
import Glibc
import Testing

@Suite struct WatchdogTests {
    /// A worker is ready for the core before that is told: connections are steered to it first, for which the daemon
    /// waits up to 200 ms.
    private static let tellingMax = 0.202

    @Test func aSilentWorkerIsReplaced() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--watchdog", "300ms", "--backoff", "1ms"] + Apps.readyShell)
        let ready = try daemon.next("worker_ready")
        let began = try daemon.next("recycle_began")
        #expect(began.message == "replacing the worker with a new one: it is silent (--watchdog)")
        #expect(began.time - ready.time >= 0.3 - Self.tellingMax)
        #expect(began.level == "warning")
        let next = try daemon.next("worker_ready")
        #expect(next.slot == 0 && next.pid != ready.pid)
        let killed = try daemon.next("worker_killed")
        #expect(killed.pid == ready.pid)
        #expect(killed.message == "killing the worker (SIGKILL): it was silent for the whole --watchdog time")
        let failed = try daemon.next("worker_failed")
        #expect(failed.pid == ready.pid && failed.message == "worker was silent for 0.300s (--watchdog)")
        try daemon.next("recycle_done")
        let exited = try daemon.next("worker_exited")
        #expect(exited.pid == ready.pid && exited.number("signal") == 9)
        try daemon.endsClean()
    }

    /// A hung worker is killed even if its replacement never becomes ready.
    @Test func aSilentWorkerIsNotKeptForEver() throws {
        let folder = try TestFolder()
        let script = "[ -e first ] && exit 3; touch first; echo READY=1 >&$READY_FD; exec sleep 1000"
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--watchdog", "300ms", "--backoff", "1ms", "--chdir", folder.path] + Apps.shell(script))
        let ready = try daemon.next("worker_ready")
        try daemon.next("recycle_failed")
        let killed = try daemon.next("worker_killed")
        #expect(killed.pid == ready.pid && killed.time - ready.time >= 0.6 - Self.tellingMax)
        try daemon.endsClean()
    }

    /// As long as it pings; and not a moment before it has been silent for the whole time.
    @Test(arguments: ["ready", "notify"]) func aWorkerThatPingsIsLeftAlone(through channel: String) throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--watchdog", "700ms"]
                + Apps.worker("ready", "ping", "15", "0.1", channel, "now", "ping", "1", "0", channel, "wait"))
        let ready = try daemon.next("worker_ready")
        let killed = try daemon.next("worker_killed")
        #expect(killed.pid == ready.pid)
        let last = try #require(try daemon.process.output.next().flatMap(Double.init))
        #expect(killed.time - last >= 0.7 - 0.002)
        try daemon.endsClean()
    }

    @Test func workersKnowTheWatchdogsTime() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--watchdog", "30s"]
                + Apps.shell("echo $WATCHDOG_USEC ${WATCHDOG_PID-none} >&2; echo READY=1 >&$READY_FD; exec sleep 1000"))
        try daemon.next("worker_ready")
        while daemon.otherLines.isEmpty { try daemon.nextLine() }
        #expect(daemon.otherLines == ["30000000 none"])
        try daemon.endsClean()
    }

    @Test func anUnwatchedWorkerMayBeSilent() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1"] + Apps.shell("echo ${WATCHDOG_USEC-none} >&2; echo READY=1 >&$READY_FD; exec sleep 1000")
        )
        try daemon.next("worker_ready")
        while daemon.otherLines.isEmpty { try daemon.nextLine() }
        #expect(daemon.otherLines == ["none"])
        try daemon.endsClean()
    }

    /// STOPPING=1: its successor starts while it finishes.
    @Test(arguments: [["say", "STOPPING=1"], ["send", "STOPPING=1"]])
    func aWorkerThatEndsByItselfIsReplacedMeanwhile(words: [String]) throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let first = ["if-generation", "1", "gate", gate.path, "end"]
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--backoff", "1ms", "--backoff-reset", "1ms"]
                + Apps.worker(["ready"] + first + words + first + ["exit", "0"]))
        let old = try daemon.next("worker_ready")
        gate.letPass()
        let draining = try daemon.next("worker_draining")
        #expect(draining.pid == old.pid && draining.message == "worker drains: it announced that it is stopping")
        let new = try daemon.next("worker_ready")
        #expect(new.pid != old.pid && new.slot == 0)
        #expect(daemon.records("worker_exited").isEmpty, "the old one still finishes")
        #expect(try ProcessView(try #require(old.pid)).isAlive)
        try daemon.endsClean(by: SIGQUIT)
    }
}
