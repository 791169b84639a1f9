// Sockets that an outer supervisor hands over by LISTEN_FDS, as systemd does; launcher.py plays it.
import Testing

@Suite struct SocketActivationTests {
    @Test func socketsHandedOverAreTakenAndPassedOn() throws {
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--listen", "own=127.0.0.1:0"] + ShownWorker.program + ["show", "ready", "serve"],
            under: Launcher.words + ["sockets", "2", "env", "LISTEN_FDNAMES=web:admin", "--"])
        let ports = try (0..<2).map { _ in Int(try daemon.process.output.next() ?? "") }
        let worker = try daemon.shown()
        #expect(worker.fds.keys.sorted() == Array(0...6))
        #expect([worker.sockets[3]?.port, worker.sockets[4]?.port] == ports)
        #expect(worker.env["LISTEN_FDS"] == "3")
        #expect(worker.env["LISTEN_FDNAMES"] == "web:admin:own")
        #expect(worker.env["LISTEN_PID"] == "\(worker.pid)")
        #expect(worker.env["READY_FD"] == "6")
        try daemon.next("pool_ready")
        #expect(Network.get(try #require(ports[0]))?.contains("slot=0") == true)
        #expect(try daemon.stop() == 0)
    }

    @Test func withoutNamesTheyAreUnknown() throws {
        let daemon = try DaemonUnderTest(
            ["-w", "1"] + ShownWorker.showing, under: Launcher.words + ["sockets", "1", "--"])
        _ = try daemon.process.output.next()
        let worker = try daemon.shown()
        #expect(worker.env["LISTEN_FDNAMES"] == "unknown")
        #expect(worker.fds.keys.sorted() == [0, 1, 2, 3, 4])
        #expect(try daemon.stop() == 0)
    }

    /// A wrapper that did not exec: they are not ours, and the user hears of it.
    @Test func thoseOfAnotherProcessAreNotTaken() throws {
        let daemon = try DaemonUnderTest(
            ["-w", "1"] + ShownWorker.showing, under: Launcher.words + ["sockets", "1", "env", "LISTEN_PID=1", "--"])
        _ = try daemon.process.output.next()
        #expect(try daemon.next("sockets_ignored").message.contains("LISTEN_PID names another process"))
        let worker = try daemon.shown()
        #expect(worker.env["LISTEN_FDS"] == nil)
        #expect(worker.fds.keys.sorted() == [0, 1, 2, 3])
        #expect(try daemon.stop() == 0)
    }

    @Test(arguments: [
        (["env", "LISTEN_FDS=many"], "LISTEN_FDS=many is not a number of sockets"),
        (["env", "LISTEN_FDS=-1"], "LISTEN_FDS=-1 is not a number of sockets"),
        (["env", "LISTEN_FDS="], "LISTEN_FDS= is not a number of sockets"),
        (["env", "LISTEN_FDS=99999999999999999999"], "LISTEN_FDS=99999999999999999999 is not a number of sockets"),
        (["env", "LISTEN_FDS=3"], "descriptor 5 is not open"),
        (["env", "LISTEN_FDNAMES=one"], "LISTEN_FDNAMES has 1 names for 2 sockets"),
    ])
    func contradictionsAreOneClearLine(_ words: [String], _ message: String) throws {
        let run = try CommandRun.run(
            Launcher.words + ["sockets", "2"] + words + ["--", Products.reloaderd, "/bin/true"])
        #expect(run.status == 1)
        #expect(run.errors == "reloaderd: cannot take the sockets of LISTEN_FDS: \(message)\n")
    }
}
