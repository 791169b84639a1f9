// The daemon or its helper is short of descriptors while workers bind, listen and drain.
import Foundation
import Testing

@Suite struct SharingLimitTests {
    /// The reason is the helper's, and the worker gets it as it is; the log says it once.
    @Test func aBindThatCannotBeLookedAtFailsForThatReason() throws {
        let (port, other) = (try Network.freePort(), try Network.freePort())
        let daemon = try DaemonUnderTest([
            "--workers", "1", "--ready", "message", try BuiltPrograms.c("awkward"), "late", "\(port)", "\(other)",
        ])
        try daemon.next("pool_ready")
        let worker = try #require(daemon.records("worker_ready").last?.pid)
        try Self.limit(try daemon.helper(), to: 3)
        for count in 1...2 {
            kill(worker, SIGUSR1)
            try daemon.lines(count, thatStartWith: "binds \(other)")
        }
        #expect(daemon.otherLines.count { $0 == "binds \(other): Too many open files" } == 2, "\(daemon.story)")
        try Self.limit(try daemon.helper(), to: 1024)
        kill(worker, SIGUSR1)
        try daemon.lines(1, thatStartWith: "binds \(other): done")
        let told = daemon.records("port_not_bound")
        #expect(told.count == 1 && told[0].message.contains("Too many open files"), "\(daemon.story)")
        try daemon.endsClean()
    }

    /// One worker listens on more than the daemon can hold: others are started, replaced and served, and the daemon
    /// answers.
    @Test func aWorkerWithManySocketsLeavesRoomForOthers() throws {
        let (port, own) = (try Network.freePort(), try Network.freePort())
        let (awkward, threads) = (try BuiltPrograms.c("awkward"), try BuiltPrograms.c("threads"))
        let app = try ControlledDaemon(
            Apps.shell(
                "[ $RELOADERD_SLOT = 0 ] && exec \(awkward) flood \(own) 300; exec \(threads) \(port)"),
            options: ["--workers", "2", "--drain-timeout", "1s"])
        try app.daemon.next("pool_ready")
        let worker = try #require(app.daemon.records("worker_ready").first { $0.slot == 0 }?.pid)
        try Self.limit(app.daemon.pid, to: 160)
        kill(worker, SIGUSR1)
        try app.daemon.lines(1, thatStartWith: "floods 300: done")
        #expect(app.daemon.records("port_not_steered").count == 1)
        let client = try SharingLoad.client(port)
        #expect(try app.ask("status").fields["slots"] != nil)
        app.daemon.signal(SIGHUP)
        try app.daemon.next(of: ["reload_done", "reload_failed", "reload_refused"]) { $0.event == "reload_done" }
        let report = try SharingLoad.report(of: client)
        #expect(report.failed == 0, "\(report.columns) \(report.failures) \(app.daemon.story)")
        try app.daemon.stop()
    }

    /// What can't be looked at is not gone.
    @Test func aDrainThatSeesNothingWaits() throws {
        let (folder, port) = (try TestFolder(), try Network.freePort())
        let gate = try Gate(in: folder)
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--ready", "message", try BuiltPrograms.c("awkward"), "held", "\(port)", gate.path])
        try daemon.next("pool_ready")
        let asker = try Asker(port, asking: "/")
        try daemon.lines(1, thatStartWith: "accepts one")
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        try Self.limit(try daemon.helper(), to: 3)
        let waits = try daemon.next(of: ["drain_waits", "worker_exited"])
        let blind = "worker may have connections: not all of its processes can be looked at now"
        #expect(waits.message == blind, "\(waits)")
        gate.letPass()
        #expect(try asker.answer()?.generation == 1)
        try Self.limit(try daemon.helper(), to: 1024)
        try daemon.next("worker_exited")
        try daemon.endsClean()
    }

    /// The soft limit, which everybody may raise again.
    private static func limit(_ pid: Int32, to limit: Int) throws {
        let run = try CommandRun.run(["/usr/bin/prlimit", "--pid", "\(pid)", "--nofile=\(limit):"])
        #expect(run.status == 0, "\(run.errors)")
    }
}
