// What is said of a worker that does not start: who has its port, and what it does instead of becoming ready.
import Foundation
import Testing

@Suite struct StartTroubleTests {
    private static func server(_ port: Int) -> [String] {
        [Apps.python, "\(SharedProgram.folder)/threaded.py", "\(port)"]
    }

    /// A program of ours that has the port.
    private func holder(_ port: Int) throws -> ChildProcess {
        let holder = try ChildProcess([Apps.python, "-m", "http.server", "--bind", "127.0.0.1", "\(port)"])
        while Network.get(port) == nil { try #require(holder.isRunning) }
        return holder
    }

    @Test func aPortThatIsTakenIsNamedWithItsHolder() throws {
        let port = try Network.freePort()
        let holder = try holder(port)
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--backoff", "10s", "--backoff-cap", "10s"] + Self.server(port))
        let told = try daemon.next("port_in_use").message
        #expect(told == "127.0.0.1:\(port) is in use by python3 (pid \(holder.pid))")
        let failed = try daemon.next("worker_failed").message
        #expect(failed.hasSuffix(" before it was ready: \(told)"), "\(failed)")
        // A worker that tries again and again is told of in one line.
        #expect(daemon.records("port_in_use").count == 1)
        try daemon.endsClean()
    }

    /// The daemon's own listener says it too, and so does --check.
    @Test func soDoesAListenerOfTheDaemon() throws {
        let port = try Network.freePort()
        let holder = try holder(port)
        let words = ["--control", "none", "--listen", "127.0.0.1:\(port)", "/bin/true"]
        let start = try CommandRun.reloaderd(words)
        #expect(start.status == 1)
        #expect(start.errors.contains("127.0.0.1:\(port): Address already in use by python3 (pid \(holder.pid))"))
        let check = try CommandRun.reloaderd(["--check"] + words)
        #expect(check.status == 64)
        #expect(check.errors == "reloaderd: --listen 127.0.0.1:\(port): in use by python3 (pid \(holder.pid))\n")
        #expect(try CommandRun.reloaderd(["--check", "--listen", "\(port)", "/bin/true"]).status == 64)
    }

    /// Before a deploy the daemon that has the port is the one that is checked for.
    @Test func aCheckOfARunningDaemonIsNoProblem() throws {
        let port = try Network.freePort()
        let options = ["--listen", "127.0.0.1:\(port)", "--workers", "1"]
        let app = try ControlledDaemon(Apps.readyShell, options: options)
        try app.daemon.next("pool_ready")
        let environment = ChildProcess.plainEnvironment + ControlledDaemon.environment(of: app.folder)
        let words = ["--check"] + options + ["/bin/true"]
        let own = try CommandRun.reloaderd(["--name", "app"] + words, environment: environment)
        #expect(own.status == 0, "\(own)")
        let other = try CommandRun.reloaderd(["--name", "other"] + words, environment: environment)
        #expect(other.errors.contains("in use by reloaderd (pid \(app.daemon.pid))"), "\(other)")
        try app.daemon.endsClean()
    }

    /// A daemon that was killed leaves its workers, and the next one says whose they are.
    @Test func leftoversOfADeadDaemonAreCalledThat() throws {
        let port = try Network.freePort()
        let words = ["--name", "web", "--listen", "127.0.0.1:\(port)", "--workers", "1"] + Apps.readyShell
        let dead = try DaemonUnderTest(words)
        let worker = try #require(try dead.next("worker_ready").pid)
        dead.signal(SIGKILL)
        try dead.process.wait()
        defer { kill(worker, SIGKILL) }
        let next = try CommandRun.reloaderd(["--control", "none"] + words)
        #expect(next.status == 1)
        #expect(
            next.errors.contains(
                "(pid \(worker)), left over from a dead daemon of the name web: end it with kill \(worker)"), "\(next)")
        let own = try CommandRun.reloaderd(["--check"] + words)
        #expect(own.errors.contains("left over from a dead daemon of this name"), "\(own)")
    }

    /// Which option to drop if both want the port.
    @Test func aProgramThatBindsThePortOfListenIsToldSo() throws {
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--listen", "127.0.0.1:\(port)", "--workers", "1", "--backoff", "10s", "--backoff-cap", "10s"]
                + Self.server(port))
        let failed = try daemon.next("worker_failed").message
        #expect(failed.contains("reloaderd itself listens on 127.0.0.1:\(port): drop --listen"), "\(failed)")
        try daemon.endsClean()
    }

    private func told(_ options: [String], _ app: [String]) throws -> (message: String, worker: Int32) {
        let daemon = try DaemonUnderTest(["--workers", "1", "--stop-timeout", "1s"] + options + app)
        let record = try daemon.next("worker_not_ready")
        try daemon.endsClean(by: SIGQUIT)
        return (record.message, record.pid ?? 0)
    }

    /// Five seconds, not the ready timeout's sixty.
    @Test func aWorkerThatIsSlowIsMentionedInTime() throws {
        let (message, _) = try told([], Apps.shell("exec sleep 1000"))
        #expect(
            message.hasPrefix(
                "worker is not ready after 5.000s: it listens on no TCP port, and it has sent no READY=1"),
            "\(message)")
    }

    @Test func itIsSaidWhatItDoesInstead() throws {
        let port = try Network.freePort()
        let (listening, _) = try told(
            ["--no-share", "--ready", "message"], Apps.shell("\(Self.server(port).joined(separator: " ")) & wait"))
        #expect(
            listening.contains("its child (pid ") && listening.contains("listens on 127.0.0.1:\(port), and it has sent")
        )
        let other = try Network.freePort()
        let (both, _) = try told(["--listen", "127.0.0.1:0"], Self.server(other))
        #expect(
            both.contains("it listens on 127.0.0.1:\(other) by itself") && both.contains("drop --listen"), "\(both)")
        let (stopped, pid) = try told([], Apps.shell("kill -STOP $$; exec sleep 1000"))
        #expect(stopped.hasSuffix(": it is stopped (kill -CONT \(pid) lets it go on)"), "\(stopped)")
    }
}
