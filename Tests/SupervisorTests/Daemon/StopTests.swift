// Every way in which a daemon ends, and what is left then: nothing.
import Glibc
import Testing

@Suite struct StopTests {
    @Test func aWorkerThatIgnoresSigtermIsKilledAfterTheStopTimeout() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "2", "--stop-timeout", "300ms"]
                + Apps.worker("if-slot", "0", "ignore", "TERM", "end", "ready", "wait"))
        try daemon.next("pool_ready")
        try daemon.endsClean()
        let draining = try #require(daemon.records("worker_draining").first { $0.slot == 0 })
        let killed = daemon.records("worker_killed")
        #expect(killed.map(\.slot) == [0] && killed.map(\.pid) == [draining.pid])
        #expect(killed.first?.message == "killing the worker (SIGKILL): it did not end within the stop timeout")
        #expect((killed.first?.time ?? 0) - draining.time >= 0.3 - 0.002)
        let exits = daemon.records("worker_exited")
        #expect(exits.first { $0.slot == 0 }?.number("signal") == 9)
        #expect(exits.first { $0.slot == 1 }?.number("signal") == 15)
    }

    /// In a roll as well; the roll does not wait for it.
    @Test func aDrainThatHangsHoldsUpNoRoll() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "2", "--stop-timeout", "500ms"]
                + Apps.worker("if-generation", "1", "ignore", "TERM", "end", "ready", "wait"))
        try daemon.next("pool_ready")
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        #expect(daemon.records("worker_exited").isEmpty, "the roll has waited for a drain")
        for _ in 0...1 {
            let killed = try daemon.next("worker_killed")
            #expect(killed.generation == 1)
        }
        try daemon.endsClean()
        #expect(daemon.records("worker_killed").count == 2)
    }

    @Test func aDrainMayAskForMoreTime() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--stop-timeout", "1s"] + Apps.worker("term-extend", "1.2", "ready", "wait"))
        try daemon.next("pool_ready")
        try daemon.endsClean()
        let exited = try #require(daemon.records("worker_exited").first)
        #expect(exited.number("status_code") == 0)
        #expect(daemon.records("worker_killed").isEmpty)
        let draining = try #require(daemon.records("worker_draining").first)
        #expect(exited.time - draining.time >= 1.2 - 0.002)
    }

    /// The signal, and whether it lets workers finish.
    @Test(arguments: [(SIGTERM, true), (SIGINT, true), (SIGQUIT, false)])
    func theStopSignals(signal: Int32, isGraceful: Bool) throws {
        let folder = try TestFolder()
        let daemon = try DaemonUnderTest(
            [
                "--listen", "unix:\(folder.path)/socket", "--pid-file", "\(folder.path)/pid", "--workers", "3",
            ] + Apps.worker("term-exit", "0", "ready", "wait"))
        try daemon.next("pool_ready")
        #expect(folder.contains("socket"))
        #expect(folder.text(of: "pid") == "\(daemon.pid)\n")
        try daemon.endsClean(by: signal)
        let exits = daemon.records("worker_exited")
        #expect(exits.count == 3)
        if isGraceful {
            #expect(exits.allSatisfy { $0.number("status_code") == 0 })
            #expect(daemon.records("worker_killed").isEmpty)
        } else {
            #expect(exits.allSatisfy { $0.number("signal") == 9 })
            let killed = daemon.records("worker_killed")
            #expect(killed.allSatisfy { $0.message == "killing the worker (SIGKILL): fast stop" })
        }
        #expect(daemon.records("stopping").count == 1)
        #expect(!folder.contains("socket"), "the socket's file is left")
        #expect(!folder.contains("pid"), "the pid file is left")
    }

    /// The place may have been taken by another daemon's, or the file by its number.
    @Test(arguments: [true, false]) func aPidFileThatIsNotOursAnyMoreStays(isReplaced: Bool) throws {
        let folder = try TestFolder()
        let daemon = try DaemonUnderTest(["--pid-file", "\(folder.path)/pid", "--workers", "1"] + Apps.readyShell)
        try daemon.next("pool_ready")
        if isReplaced { rename("\(folder.path)/pid", "\(folder.path)/old") }
        let number = open("\(folder.path)/pid", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        _ = write(number, "1\n", 2)
        close(number)
        try daemon.endsClean()
        #expect(folder.text(of: "pid") == "1\n")
    }

    @Test(arguments: [SIGTERM, SIGINT, SIGQUIT]) func aSecondStopSignalIsAFastStop(second: Int32) throws {
        let daemon = try DaemonUnderTest(["--workers", "2"] + Apps.worker("ignore", "TERM", "ready", "wait"))
        try daemon.next("pool_ready")
        daemon.signal(SIGTERM)
        try daemon.next("worker_draining") { $0.slot == 1 }
        // Sooner it would be the same request.
        try ChildProcess(["sleep", "0.6"]).wait()
        try daemon.endsClean(by: second)
        #expect(daemon.records("stopping").map(\.message) == ["stopping: workers drain", "stopping at once"])
        #expect(daemon.records("worker_exited").allSatisfy { $0.number("signal") == 9 })
        #expect(daemon.records("worker_killed").count == 2)
    }

    @Test func aStopBeforeAnyWorkerIsReady() throws {
        let daemon = try DaemonUnderTest(["--workers", "2"] + Apps.shell("exec sleep 1000"))
        try daemon.next("worker_started") { $0.slot == 1 }
        try daemon.endsClean()
        #expect(daemon.records("worker_failed").isEmpty, "what was asked to end has not failed")
    }

    @Test func aStopDuringABackoff() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--backoff", "1h", "--backoff-cap", "1h"] + Apps.shell("exit 1"))
        try daemon.next("backoff")
        try daemon.endsClean()
        #expect(daemon.records("worker_started").count == 1)
    }

    /// What a worker leaves in its process group goes with it.
    @Test(arguments: ["crash", "stop"]) func childrenThatOutliveTheirWorkerAreKilledWithIt(end: String) throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--backoff", "1ms"] + Apps.worker("fork", "term-exit", "0", "ready", "wait"))
        let ready = try daemon.next("worker_ready")
        let word = try #require(daemon.otherLines.first?.split(separator: " ").last)
        let child = try ProcessView(try #require(Int32(word)))
        #expect(child.isAlive)
        if end == "crash" {
            kill(try #require(ready.pid), SIGKILL)
            try daemon.next("worker_exited")
            try child.waitForEnd()
            try daemon.next("worker_ready")
            try daemon.endsClean()
        } else {
            #expect(try daemon.stop() == 0)
            try child.waitForEnd()
        }
    }

    /// A child that is kept holds on to the worker's stderr and its ready pipe: the worker's end is seen all the same.
    @Test func aChildOfItsOwnSessionHoldsUpNothing() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--keep-children"]
                + Apps.shell(
                    "setsid sh -c 'echo outlives $$ >&2; read line <\(gate.path)' & echo READY=1 >&$READY_FD; wait"))
        try daemon.next("worker_ready")
        while daemon.otherLines.isEmpty { try daemon.nextLine() }
        let child = try ProcessView(
            try #require(daemon.otherLines.first?.split(separator: " ").last.flatMap { Int32($0) }))
        daemon.signal(SIGTERM)
        let exited = try daemon.next("worker_exited")
        #expect(exited.number("signal") == 15)
        #expect(child.isAlive, "what has left the session is kept")
        gate.letPass()
        #expect(try daemon.end() == 0)
        try child.waitForEnd()
    }
}
