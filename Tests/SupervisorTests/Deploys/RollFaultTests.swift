// The rolling restart, with real processes, and rolls that go wrong: the old generation serves on, and clients notice
// nothing.
import Glibc
import Testing

@Suite struct RollFaultTests {
    /// A daemon with a port, all of whose workers are ready.
    private static func serving(
        _ options: [String], workers: Int, _ app: [String]
    ) throws -> (daemon: DaemonUnderTest, port: Int) {
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--listen", "127.0.0.1:\(port)", "--workers", "\(workers)"] + options + app)
        try daemon.next("pool_ready")
        return (daemon, port)
    }

    @Test func aReleaseBrokenAtSlotThreeOfFourIsTakenBack() throws {
        let words = ["if-generation", "2", "if-slot", "2", "err", "no such table: users", "exit", "3", "end", "end"]
        let (daemon, port) = try Self.serving([], workers: 4, Apps.worker(words + ["ready", "serve"]))
        let client = try SteadyClient(port)

        daemon.signal(SIGHUP)
        let began = try daemon.next("reload_began")
        #expect(began.message == "reload: generation 2 replaces generation 1")
        let failed = try daemon.next("reload_failed")
        #expect(
            failed.message
                == "reload failed, generation 1 keeps serving: slot 2: worker exited with status 3 before it was "
                + "ready"
        )
        #expect(failed.slot == 2 && failed.number("to_revert") == 2)
        let reverted = try daemon.next("reload_reverted")
        #expect(reverted.message == "every slot serves generation 1 again; generation 2 was not deployed")

        let result = client.finish()
        #expect(result.failures == [])
        #expect(Capacity.least(in: daemon.log, from: began, to: reverted) >= 4)
        #expect(daemon.otherLines == ["no such table: users"])
        // One replacement of slots 0 and 1 each, one that failed, two on the way back; slot 3 was not touched.
        #expect(daemon.records("slot_replaced").map(\.slot) == [0, 1, 0, 1])
        #expect(daemon.records("worker_started").filter { $0.slot == 3 }.count == 1)
        #expect(daemon.records("worker_started").filter { $0.slot == 2 }.count == 2)
        #expect(daemon.records("worker_started").count == 4 + 3 + 2)

        let serving = Capacity.ready(in: daemon.log)
        #expect(serving.count == 4 && serving.values.allSatisfy { $0 == 1 })
        var slots: Set<String> = []
        for pid in serving.keys {
            let view = try ProcessView(pid)
            #expect(view.isAlive && view.environment["RELOADERD_GENERATION"] == "1")
            slots.insert(view.environment["RELOADERD_SLOT"] ?? "none")
        }
        #expect(slots == ["0", "1", "2", "3"])
        try daemon.drained()
        for _ in 1...8 { #expect(Network.get(port)?.contains("generation=1 ") == true) }
        try daemon.endsClean()
    }

    /// Ready, and dead a moment later: only the soak sees it.
    @Test func aReplacementThatDiesInItsSoakFailsTheRoll() throws {
        let (daemon, port) = try Self.serving(
            ["--soak", "30s"], workers: 2,
            Apps.worker("ready", "if-generation", "2", "sleep", "0.1", "exit", "7", "end", "serve"))
        let client = try SteadyClient(port)
        let old = Set(Capacity.ready(in: daemon.log).keys)
        daemon.signal(SIGHUP)
        let failed = try daemon.next("reload_failed")
        #expect(
            failed.message
                == "reload failed, generation 1 keeps serving: slot 0: worker exited with status 7 during its soak")
        let reverted = try daemon.next("reload_reverted")
        #expect(client.finish().failures == [])
        // Nothing of the old generation was touched: there was nothing to put back.
        #expect(daemon.records("worker_draining").isEmpty && daemon.records("slot_replaced").isEmpty)
        #expect(Set(Capacity.ready(in: daemon.log).keys) == old)
        #expect(Capacity.least(in: daemon.log, from: failed, to: reverted) >= 2)
        try daemon.endsClean()
    }

    @Test func theOldWorkerDrainsOnlyAfterTheSoak() throws {
        let daemon = try DaemonUnderTest(["--workers", "1", "--soak", "300ms"] + Apps.readyShell)
        try daemon.next("pool_ready")
        daemon.signal(SIGHUP)
        let ready = try daemon.next("worker_ready") { $0.generation == 2 }
        let draining = try daemon.next("worker_draining")
        #expect(draining.generation == 1 && draining.message == "worker drains: its replacement serves")
        #expect(draining.time - ready.time >= 0.3 - 0.002)
        try daemon.next("reload_done")
        try daemon.endsClean()
    }

    @Test func aReplacementThatIsNeverReadyFailsTheRoll() throws {
        let (daemon, port) = try Self.serving(
            ["--ready-timeout", "2s"], workers: 2,
            Apps.worker("if-generation", "2", "wait", "end", "ready", "serve"))
        let client = try SteadyClient(port)
        daemon.signal(SIGHUP)
        let failed = try daemon.next("reload_failed")
        #expect(
            failed.message.contains("worker was not ready within 2.000s") && failed.message.contains("use --ready 2s"))
        try daemon.next("reload_reverted")
        let result = client.finish()
        #expect(result.failures == [] && result.generations == [1])
        try daemon.endsClean()
    }

    /// Deploys that cannot even begin leave everything as it is, and the next one that can succeeds.
    @Test func aReloadOfAProgramThatIsGoneIsRefused() throws {
        let folder = try TestFolder()
        let app = try folder.writeProgram("app", Apps.workerScript("ready", "serve"))
        let (daemon, port) = try Self.serving([], workers: 2, [app])
        rename(app, "\(folder.path)/away")
        daemon.signal(SIGHUP)
        let refused = try daemon.next("reload_refused")
        #expect(
            refused.message
                == "reload refused, everything goes on as before: cannot start \(app): No such file or directory")
        #expect(Network.get(port)?.contains("generation=1 ") == true)
        try folder.writeProgram("app", "#!/no/such/interpreter\n")
        daemon.signal(SIGHUP)
        let failed = try daemon.next("reload_failed")
        #expect(failed.message.hasSuffix("(or the interpreter that its first line names is missing)"))
        try daemon.next("reload_reverted")
        try daemon.drained()
        #expect(Network.get(port)?.contains("generation=1 ") == true)
        rename("\(folder.path)/away", app)
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        try daemon.drained()
        #expect(Network.get(port)?.contains("generation=3 ") == true)
        try daemon.endsClean()
    }

    @Test func twoHundredHangupsInOneBurstEndOnOneGeneration() throws {
        let (daemon, port) = try Self.serving([], workers: 4, Apps.worker("ready", "serve"))
        let client = try SteadyClient(port)
        let first = try #require(daemon.records("pool_ready").first)
        for _ in 1...200 { daemon.signal(SIGHUP) }
        try daemon.hearsAll()
        let asked = daemon.records("reload_asked").count
        let newest = 1 + asked
        let done = try daemon.next("reload_done") { $0.generation == newest }
        let result = client.finish()
        #expect(result.failures == [])
        #expect(result.generations.last == newest || result.generations.last == 1)
        #expect(Capacity.least(in: daemon.log, from: first, to: done) >= 4)
        #expect(daemon.records("reload_done").count <= 2)
        #expect(daemon.records("reload_failed").isEmpty)
        #expect(Capacity.ready(in: daemon.log).values.allSatisfy { $0 == newest })
        // Rolls that are superseded before a replacement is ready may start one a slot and signal, never more at a time
        // than what lingers allows.
        #expect(daemon.records("worker_started").count <= 4 + 4 + asked)
        try daemon.endsClean()
    }

    @Test func aReloadBeforeTheFirstWorkerIsReady() throws {
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--listen", "127.0.0.1:\(port)", "--workers", "2"]
                + Apps.worker("if-generation", "1", "wait", "end", "ready", "serve"))
        try daemon.next("worker_started") { $0.slot == 1 }
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        try daemon.next("pool_ready")
        try daemon.drained()
        #expect(Network.get(port)?.contains("generation=2 ") == true)
        #expect(daemon.records("worker_failed").isEmpty)
        try daemon.endsClean()
        #expect(daemon.records("worker_ready").allSatisfy { $0.generation == 2 })
    }

    @Test func aReloadDuringAHangingRollTakesOver() throws {
        let folder = try TestFolder()
        let app = try folder.writeProgram("app", Apps.workerScript("ready", "serve"))
        let (daemon, port) = try Self.serving([], workers: 2, [app])
        let client = try SteadyClient(port)
        try folder.writeProgram("app", Apps.workerScript("wait"))
        daemon.signal(SIGHUP)
        let hanging = try daemon.next("worker_started") { $0.generation == 2 }
        try folder.writeProgram("app", Apps.workerScript("ready", "serve"))
        daemon.signal(SIGHUP)
        let superseded = try daemon.next("reload_superseded")
        #expect(superseded.message == "a newer reload takes over: generation 3 instead of 2")
        let done = try daemon.next("reload_done")
        #expect(done.generation == 3)
        let abandoned = try #require(daemon.records("worker_draining").first { $0.pid == hanging.pid })
        #expect(abandoned.message == "worker drains: it was a replacement that is no longer needed")
        #expect(client.finish().failures == [])
        try daemon.drained()
        #expect(Network.get(port)?.contains("generation=3 ") == true)
        #expect(daemon.records("reload_failed").isEmpty && daemon.records("worker_failed").isEmpty)
        try daemon.endsClean()
    }

    @Test(arguments: [SIGTERM, SIGQUIT]) func aStopInTheMiddleOfARollEndsAll(signal: Int32) throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "4"] + Apps.worker("if-generation", "2", "wait", "end", "ready", "wait"))
        try daemon.next("pool_ready")
        daemon.signal(SIGHUP)
        try daemon.next("worker_started") { $0.generation == 2 }
        try daemon.endsClean(by: signal)
        let stopping = try #require(daemon.records("stopping").first)
        #expect(daemon.records(after: stopping).contains { $0.event == "reload_aborted" })
        #expect(!daemon.records(after: stopping).contains { $0.event == "worker_started" })
        #expect(daemon.records("worker_exited").count == 5)
    }

    /// TERM beats everything: what comes later does nothing.
    @Test func afterTermNothingIsStarted() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let daemon = try DaemonUnderTest(
            ["--workers", "2"]
                + Apps.shell(
                    "trap 'read line <\(gate.path); exit 0' TERM; echo READY=1 >&$READY_FD; while :; "
                        + "do sleep 1000 & wait; done"
                ))
        try daemon.next("pool_ready")
        daemon.signal(SIGTERM)
        try daemon.next("worker_draining") { $0.slot == 1 }
        for number in [SIGHUP, SIGTTIN, SIGWINCH, SIGTTOU, SIGHUP] { daemon.signal(number) }
        try daemon.hearsAll()
        gate.letPass(2)
        #expect(try daemon.end() == 0)
        #expect(daemon.records("worker_started").count == 2)
        #expect(daemon.records("reload_asked").isEmpty && daemon.records("scaled").isEmpty)
        daemon.leavesNothing()
    }
}

/// The rolling restart, with real processes.
@Suite struct RollTests {
    @Test func aReloadReplacesEachSlotAndServesThroughout() throws {
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--listen", "127.0.0.1:\(port)", "--workers", "2", "python3", Products.worker, "ready", "serve"])
        try daemon.next("pool_ready")
        #expect(Network.get(port)?.contains("generation=1") == true)
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        try daemon.drained()
        #expect(Network.get(port)?.contains("generation=2") == true)
        #expect(try daemon.stop() == 0)
    }
}
