// `health`: what the probes of a container platform run.
import Foundation
import Glibc
import Testing

@Suite struct VerbHealthTests {
    private func health(_ app: ControlledDaemon, _ options: String...) throws -> CommandRun {
        try CommandRun.reloaderd(["health", "--control", app.path] + options)
    }

    @Test func aPoolThatServesIsAliveAndReady() throws {
        let app = try ControlledDaemon(Apps.readyShell + ["--password=secret"], options: ["--workers", "2"])
        try app.daemon.next("pool_ready")
        let alive = try health(app)
        #expect(alive.status == 0 && alive.output == "alive: 2 of 2 slots serve, the pool is running\n")
        let ready = try health(app, "--ready")
        #expect(ready.status == 0 && ready.output == "ready: 2 of 2 slots serve, the pool is running\n")
        #expect(!ready.flat.contains("secret"))
        try app.daemon.endsClean()
    }

    /// A restart of the container would not help a program that fails: it is alive, and gets no requests.
    @Test func aFailingPoolIsAliveAndNotReady() throws {
        let app = try ControlledDaemon(
            Apps.shell("exit 3"), options: ["--workers", "1", "--backoff", "1h", "--backoff-cap", "1h"])
        try app.daemon.next("backoff")
        let alive = try health(app)
        #expect(alive.status == 0 && alive.output == "alive: 0 of 1 slot serves, the pool is failing\n")
        let ready = try health(app, "--ready")
        #expect(ready.status == 1 && ready.output == "not ready: 0 of 1 slot serves, the pool is failing\n")
        try app.daemon.endsClean()
    }

    /// A reload, also one that fails, takes no readiness away.
    @Test func aPoolIsReadyWhileItIsReloaded() throws {
        let (app, gate) = try ControlledDaemon.withGate()
        app.daemon.signal(SIGHUP)
        try app.daemon.next("reload_began")
        #expect(try health(app, "--ready").status == 0)
        gate.letPass()
        try app.daemon.next("reload_done")
        try app.daemon.endsClean()
    }

    @Test func aPoolThatEndsOrDrainsIsNotReady() throws {
        let app = try ControlledDaemon(
            Apps.worker("ignore", "TERM", "ready", "wait"), options: ["--workers", "1", "--stop-timeout", "1h"])
        try app.daemon.next("pool_ready")
        app.daemon.signal(SIGWINCH)
        try app.daemon.next("draining_all")
        #expect(try health(app, "--ready").output == "not ready: 0 of 1 slot serves, the pool is drained\n")
        app.daemon.signal(SIGTERM)
        try app.daemon.next("stopping")
        #expect(try health(app).status == 0)
        #expect(try health(app, "--ready").output == "not ready: 0 of 1 slot serves, the pool is stopping\n")
        app.daemon.signal(SIGQUIT)
        #expect(try app.daemon.end() == 0)
    }

    @Test func withoutADaemonTheStatusIsOne() throws {
        let folder = try TestFolder()
        let run = try CommandRun.reloaderd(["health", "--control", "\(folder.path)/no.sock"])
        #expect(run.status == 1 && run.errorLines.count == 1 && run.output.isEmpty)
        #expect(run.errors.contains("no daemon at"), "\(run.errors)")
        let wrong = try CommandRun.reloaderd(["health", "--redy"])
        #expect(wrong.status == 64 && wrong.errors.contains("--ready"), "\(wrong.errors)")
    }
}
