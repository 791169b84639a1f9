// What a reload reads again: the config file and environment files, checked whole before anything changes.
import Foundation
import Testing

@Suite struct RereadTests {
    @Test func anEnvironmentFileIsReadAtEachReload() throws {
        let folder = try TestFolder()
        let file = try folder.write("app.env", "COLOR=blue\n")
        let (daemon, worker) = try DaemonUnderTest.showing(["--env-file", file])
        #expect(worker.env["COLOR"] == "blue")
        try daemon.next("pool_ready")

        try folder.write("app.env", "COLOR=green\nSIZE=XL\n")
        daemon.signal(SIGHUP)
        let next = try daemon.shown()
        #expect(next.env["COLOR"] == "green")
        #expect(next.env["SIZE"] == "XL")
        try daemon.next("reload_done")
        #expect(try daemon.stop() == 0)
    }

    /// A worker that crashes meanwhile comes back with the settings of its generation.
    @Test func aBrokenEnvironmentFileIsRefusedWithItsLine() throws {
        let folder = try TestFolder()
        let file = try folder.write("app.env", "COLOR=blue\n")
        let (daemon, worker) = try DaemonUnderTest.showing(["--env-file", file, "--backoff-reset", "0s"])
        try daemon.next("pool_ready")

        try folder.write("app.env", "COLOR=green\n\nthis is no assignment\n")
        daemon.signal(SIGHUP)
        let refused = try daemon.next("reload_refused")
        #expect(refused.message.contains("\(file):3: 'this is no assignment' has no '='"), "\(refused)")
        kill(worker.pid, SIGKILL)
        #expect(try daemon.shown().env["COLOR"] == "blue")
        #expect(daemon.records("worker_draining").isEmpty)
        #expect(try daemon.stop() == 0)
    }

    @Test func aConfigFileIsReadAtEachReload() throws {
        let folder = try TestFolder()
        let file = try folder.write("reloaderd.conf", "workers 1\nstop-timeout 40s\n")
        let daemon = try DaemonUnderTest(
            ["--config", file] + ShownWorker.program + ["ready", "ignore", "TERM", "wait"])
        #expect(try daemon.next("pool_ready").fields["workers"] as? Int == 1)

        // There are more workers, and a shorter time for those that end.
        try folder.write("reloaderd.conf", "workers 3\nstop-timeout 20ms\n")
        daemon.signal(SIGHUP)
        #expect(try daemon.next("reload_done").fields["workers"] as? Int == 3)
        try daemon.next("worker_killed") { $0.generation == 1 }

        try folder.write("reloaderd.conf", "workers 2\nstop-timeout 20ms\n")
        daemon.signal(SIGHUP)
        #expect(try daemon.next("reload_done").fields["workers"] as? Int == 2)
        #expect(try daemon.stop() == 0)
    }

    @Test func aBadConfigFileIsRefusedWithItsLine() throws {
        let folder = try TestFolder()
        let file = try folder.write("reloaderd.conf", "workers 2\n")
        let daemon = try DaemonUnderTest(["--config", file] + ShownWorker.program + ["ready", "wait"])
        try daemon.next("pool_ready")

        try folder.write("reloaderd.conf", "workers 3\nstop-timeout soon\n")
        daemon.signal(SIGHUP)
        let refused = try daemon.next("reload_refused")
        #expect(refused.message.contains("\(file):2: "), "\(refused)")
        #expect(refused.message.contains("soon"), "\(refused)")

        try FileManager.default.removeItem(atPath: file)
        daemon.signal(SIGHUP)
        #expect(try daemon.next("reload_refused").message.contains(file))

        try folder.write("reloaderd.conf", "workers 2\n")
        daemon.signal(SIGHUP)
        #expect(try daemon.next("reload_done").fields["workers"] as? Int == 2)
        #expect(daemon.records("reload_began").count == 1)
        #expect(try daemon.stop() == 0)
    }

    @Test func whatNeedsARestartIsSaidAndLeft() throws {
        let folder = try TestFolder()
        let file = try folder.write("reloaderd.conf", "workers 1\nlisten 127.0.0.1:0\n")
        let (daemon, worker) = try DaemonUnderTest.showing(["--config", file])
        try daemon.next("pool_ready")
        try folder.write("reloaderd.conf", "workers 1\nlisten unix:\(folder.path)/socket\noutput inherit\nname other\n")
        daemon.signal(SIGHUP)
        let warning = try daemon.next("needs_restart")
        #expect(warning.fields["level"] as? String == "warning")
        #expect(warning.message.hasSuffix("listen, name, output"), "\(warning)")
        let next = try daemon.shown()
        #expect(next.sockets[3]?.port == worker.sockets[3]?.port)
        #expect(!folder.contains("socket"))
        try daemon.next("reload_done")
        #expect(try daemon.stop() == 0)
    }
}
