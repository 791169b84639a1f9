// What the daemon tells the service manager that started it, heard by a manager of the test's own.
import Foundation
import Glibc
import Testing

@Suite struct NotifyTests {
    private static let worker = ["python3", Products.worker]

    private func start(_ words: [String], telling address: String, _ variables: [String] = []) throws -> DaemonUnderTest
    {
        try DaemonUnderTest(
            words, environment: ChildProcess.plainEnvironment + ["NOTIFY_SOCKET=\(address)"] + variables)
    }

    /// In the middle of a reload: the new worker waits at the gate.
    private func reloading(
        _ options: [String], at gate: Gate, telling manager: NotifyReceiver
    ) throws -> DaemonUnderTest {
        let daemon = try start(
            options + ["--ready", "message"] + Self.worker
                + ["if-generation", "2", "gate", gate.path, "end", "ready", "wait"],
            telling: manager.address)
        _ = try manager.next(with: "READY=1")
        daemon.signal(SIGHUP)
        try daemon.next("worker_started") { $0.generation == 2 }
        return daemon
    }

    private func now() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
    }

    private func value(_ name: String, in datagram: [String]) -> String? {
        datagram.first { $0.hasPrefix("\(name)=") }.map { String($0.dropFirst(name.count + 1)) }
    }

    /// For how long the manager is asked to wait, in microseconds.
    private func time(in datagram: [String]) -> Int? { value("EXTEND_TIMEOUT_USEC", in: datagram).flatMap { Int($0) } }

    // MARK: time

    /// A start may take as long as its workers may; and longer if they say so.
    @Test func aStartAsksForTheTimeOfItsWorkers() throws {
        let folder = try TestFolder()
        let manager = try NotifyReceiver("\(folder.path)/notify")
        let gate = try Gate(in: folder)
        let script = "echo EXTEND_TIMEOUT_USEC=1800000000 >&$READY_FD; read x <\(gate.path); echo >&$READY_FD; sleep 99"
        let daemon = try start(
            [
                "--workers", "1", "--ready", "message", "--ready-timeout", "10m", "--stop-timeout", "1s", "sh", "-c",
                script,
            ],
            telling: manager.address)
        let first = try #require(time(in: try manager.next()))
        #expect((600_000_000...605_000_000).contains(first))
        let second = try #require(time(in: try manager.next()))
        #expect((1_790_000_000...1_805_000_000).contains(second))
        gate.letPass()
        #expect(try manager.next(with: "READY=1").before.isEmpty)
        #expect(try daemon.stop() == 0)
    }

    /// A start that fails again and again is not prolonged for ever: the manager's own time-out ends it.
    @Test func aStartThatFailsAsksOnce() throws {
        let folder = try TestFolder()
        let manager = try NotifyReceiver("\(folder.path)/notify")
        let daemon = try start(
            ["--workers", "1", "--ready", "message", "--backoff", "400ms", "--backoff-cap", "400ms"]
                + Self.shell("exit 3"),
            telling: manager.address)
        for _ in 0..<6 { try daemon.next("worker_failed") }
        #expect(manager.allNow().compactMap(time).count == 1)
        #expect(try daemon.stop() == 0)
    }

    /// A worker that needs longer to finish than a stop allows is granted the time, and the manager hears of it.
    @Test func aStopAsksForWhatItsWorkersAskFor() throws {
        let folder = try TestFolder()
        let manager = try NotifyReceiver("\(folder.path)/notify")
        let gate = try Gate(in: folder)
        let script = """
            trap 'echo EXTEND_TIMEOUT_USEC=300000000 >&$READY_FD; read x <\(gate.path); exit 0' TERM
            echo >&$READY_FD; while :; do sleep 1; done
            """
        let daemon = try start(
            ["--workers", "1", "--ready", "message", "--drain", "signal", "--no-share", "--stop-timeout", "20s"]
                + Self.shell(script), telling: manager.address)
        _ = try manager.next(with: "READY=1")
        daemon.signal(SIGTERM)
        let stopping = try manager.next(with: "STOPPING=1").datagram
        #expect((20_000_000...25_000_000).contains(time(in: stopping) ?? 0), "\(stopping)")
        #expect((290_000_000...305_000_000).contains(time(in: try manager.next()) ?? 0))
        gate.letPass()
        #expect(try daemon.end() == 0)
    }

    // MARK: the descriptor store

    /// The manager offers its store by FDSTORE.
    @Test func listenersAreLeftWithTheManager() throws {
        let folder = try TestFolder()
        let manager = try NotifyReceiver("\(folder.path)/notify")
        let listens =
            ["--listen", "127.0.0.1:0", "--listen", "127.0.0.1:\(try Network.freePort())"]
            + ["--listen", "unix:\(folder.path)/a.sock", "--listen", "unix:@\(folder.path)"]
            + ["--listen", "udp:127.0.0.1:\(try Network.freePort())"]
        for (offer, kept) in [("FDSTORE=8", 3), ("FDSTORE=2", 2), ("FDSTORE=0", 0), ("FDSTORE=x", 0), ("A=1", 0)] {
            let daemon = try start(
                listens + ["--workers", "1", "--ready", "message"] + Self.worker + ["ready", "wait"],
                telling: manager.address, [offer])
            let before = try manager.next(with: "READY=1").before
            let stored = before.filter { $0.contains("FDSTORE=1") }
            #expect(stored.count == kept, "\(before)")
            #expect(stored.allSatisfy { $0.count == 3 && $0.last == "FDPOLL=0" })
            // What the manager takes for one of the same name would be lost.
            let names = stored.compactMap { value("FDNAME", in: $0) }
            #expect(Set(names).count == kept && names.allSatisfy { $0.hasPrefix("reloaderd-listener-") })
            try daemon.next("pool_ready")
            #expect(daemon.records("store_full").count == (offer == "FDSTORE=2" ? 1 : 0))
            #expect(try daemon.stop() == 0)
            #expect(manager.allNow().allSatisfy { !$0.contains("FDSTOREREMOVE=1") }, "the next run needs it")
        }
    }

    /// A connection that came while no daemon was running is answered by the next one; a listener that is no longer
    /// wanted is closed, and the manager lets go of it; one of a socket unit is left alone.
    @Test(arguments: ["shared", "slot"])
    func listenersComeBackFromTheManager(balance: String) throws {
        let folder = try TestFolder()
        let manager = try NotifyReceiver("\(folder.path)/notify")
        let (port, old, unit) = (try Network.freePort(), try Network.freePort(), try Network.freePort())
        let daemon = try DaemonUnderTest(
            ["--listen", "127.0.0.1:\(port)", "--balance", balance, "--workers", "1", Products.httpWorker],
            environment: ChildProcess.plainEnvironment + ["NOTIFY_SOCKET=\(manager.address)", "FDSTORE=8"],
            under: Launcher.words + [
                "stored", "\(old)", "reloaderd-listener-1", "stored", "\(unit)", "web.socket", "stored", "\(port)",
                "reloaderd-listener-2", "--",
            ])
        let before = try manager.next(with: "READY=1").before
        let gone = before.filter { $0.contains("FDSTOREREMOVE=1") }.compactMap { value("FDNAME", in: $0) }
        let kept = before.filter { $0.contains("FDSTORE=1") }.compactMap { value("FDNAME", in: $0) }
        // A slot's own listener is not left again: those of the other slots could not be.
        #expect(gone == ["reloaderd-listener-1"] + (balance == "slot" ? ["reloaderd-listener-2"] : []))
        #expect(kept == (balance == "slot" ? [] : ["reloaderd-listener-2"]))
        try daemon.next("pool_ready")
        #expect(daemon.records("listening").map { $0.fields["name"] as? String } == ["web.socket", "unknown"])
        #expect(Network.get(port) != nil)
        #expect(Network.get(old) == nil)
        #expect(try daemon.stop() == 0)
    }

    // MARK: the life of the pool

    @Test(arguments: [true, false])
    func readyWhenThePoolIsAndNotBefore(abstract: Bool) throws {
        let folder = try TestFolder()
        let manager = try NotifyReceiver(abstract ? "@reloaderd-test-\(UUID().uuidString)" : "\(folder.path)/notify")
        let gate = try Gate(in: folder)
        let daemon = try start(
            ["--workers", "2", "--ready", "message"] + Self.worker
                + ["if-slot", "1", "gate", gate.path, "end", "ready", "wait"],
            telling: manager.address)
        try daemon.ready(1)
        #expect(manager.allNow().allSatisfy { !$0.contains("READY=1") })
        gate.letPass()
        let datagram = try manager.next(with: "READY=1").datagram
        #expect(value("STATUS", in: datagram) == "2 workers serve generation 1")
        try daemon.next("pool_ready")
        #expect(try daemon.stop() == 0)
        let (stopping, before) = try manager.next(with: "STOPPING=1")
        #expect(before.isEmpty, "between READY and STOPPING: \(before)")
        // 30s of --drain-timeout, 30s of --stop-timeout, and 5s; less the time that it took to say so.
        #expect((50_000_000...65_000_000).contains(time(in: stopping) ?? 0), "\(stopping)")
    }

    /// The program of the daemon is replaced: the same process goes on, and says so.
    @Test func anUpgradeIsReloadingThenReady() throws {
        let folder = try TestFolder()
        let manager = try NotifyReceiver("\(folder.path)/notify")
        let daemon = try start(
            ["--workers", "1", "--ready", "message"] + Self.worker + ["ready", "wait"], telling: manager.address,
            ["WATCHDOG_USEC=60000000"])
        _ = try manager.next(with: "READY=1")
        let asked = now()
        let version = try #require(try daemon.upgrade().text("version"))
        let reloading = try manager.next(with: "RELOADING=1").datagram
        let stamp = try #require(value("MONOTONIC_USEC", in: reloading).flatMap { Int($0) })
        #expect((asked...now()).contains(stamp))
        let (ready, between) = try manager.next(with: "READY=1")
        #expect(value("STATUS", in: ready) == "Upgraded to reloaderd \(version)")
        // The new program does not know when the old one has pinged last, so it does at once.
        var others = between
        while !others.contains(["WATCHDOG=1"]) { others.append(try manager.next()) }
        #expect((others + manager.allNow()).allSatisfy { value("MAINPID", in: $0) == nil }, "\(others)")
        #expect(try daemon.stop() == 0)
    }

    @Test func aGoodReloadIsReloadingThenReady() throws {
        let folder = try TestFolder()
        let manager = try NotifyReceiver("\(folder.path)/notify")
        let daemon = try start(
            ["--workers", "2", "--surge", "1", "--ready", "message"] + Self.worker + ["ready", "wait"],
            telling: manager.address)
        _ = try manager.next(with: "READY=1")
        let asked = now()
        daemon.signal(SIGHUP)
        let reloading = try manager.next()
        #expect(reloading.contains("RELOADING=1"))
        let stamp = try #require(value("MONOTONIC_USEC", in: reloading).flatMap { Int($0) })
        #expect((asked...now()).contains(stamp))
        let (ready, between) = try manager.next(with: "READY=1")
        #expect(value("STATUS", in: ready) == "2 workers serve generation 2")
        #expect(
            between.compactMap { value("STATUS", in: $0) }.contains("Reloading: 1 of 2 slots replaced"), "\(between)")
        // The ready timeout of the next slot (60s), and 5s, is asked for while the roll goes on.
        let times = between.compactMap(time)
        #expect(!times.isEmpty && times.allSatisfy { (50_000_000...65_000_000).contains($0) }, "\(between)")
        #expect(try daemon.stop() == 0)
    }

    @Test func aFailedReloadIsReadyWhenTheOldGenerationServesAlone() throws {
        let folder = try TestFolder()
        let manager = try NotifyReceiver("\(folder.path)/notify")
        let daemon = try start(
            ["--workers", "2", "--surge", "1", "--ready", "message"] + Self.worker
                + ["if-slot", "1", "if-generation", "2", "exit", "3", "end", "end", "ready", "wait"],
            telling: manager.address)
        _ = try manager.next(with: "READY=1")
        daemon.signal(SIGHUP)
        #expect(try manager.next().contains("RELOADING=1"))
        let (ready, between) = try manager.next(with: "READY=1")
        #expect(value("STATUS", in: ready) == "Reload to generation 2 failed; 2 workers serve generation 1")
        let failed = "Reload to generation 2 failed, going back to generation 1"
        #expect(between.contains { value("STATUS", in: $0) == failed }, "\(between)")
        try daemon.next("reload_reverted")
        #expect(try daemon.stop() == 0)
    }

    @Test func aRefusedReloadIsReadyAtOnce() throws {
        let folder = try TestFolder()
        let manager = try NotifyReceiver("\(folder.path)/notify")
        try folder.write("conf", "workers 1\n")
        let daemon = try start(
            ["--config", "\(folder.path)/conf", "--ready", "message"] + Self.worker + ["ready", "wait"],
            telling: manager.address)
        _ = try manager.next(with: "READY=1")
        try folder.write("conf", "workers none\n")
        daemon.signal(SIGHUP)
        #expect(try manager.next().contains("RELOADING=1"))
        let ready = try manager.next()
        #expect(ready.contains("READY=1"))
        #expect(value("STATUS", in: ready)?.hasPrefix("Reload refused: ") == true, "\(ready)")
        #expect(try daemon.stop() == 0)
    }

    /// A HUP that is refused while a roll goes on must not end that roll in the manager's eyes.
    @Test func aRefusalInTheMiddleOfARollLeavesItsEndToTheRoll() throws {
        let folder = try TestFolder()
        let manager = try NotifyReceiver("\(folder.path)/notify")
        let gate = try Gate(in: folder)
        try folder.write("conf", "workers 1\n")
        let daemon = try reloading(["--config", "\(folder.path)/conf"], at: gate, telling: manager)
        try folder.write("conf", "workers none\n")
        daemon.signal(SIGHUP)
        try daemon.next("reload_refused")
        #expect(manager.allNow().allSatisfy { !$0.contains("READY=1") })
        gate.letPass()
        #expect(value("STATUS", in: try manager.next(with: "READY=1").datagram) == "1 worker serves generation 2")
        #expect(try daemon.stop() == 0)
    }

    /// A manager that waits for the end of a reload would wait for ever.
    @Test func drainingAllEndsAReloadInTheManagersEyes() throws {
        let folder = try TestFolder()
        let manager = try NotifyReceiver("\(folder.path)/notify")
        let gate = try Gate(in: folder)
        let daemon = try start(
            ["--workers", "2", "--surge", "1", "--backoff", "60s", "--backoff-cap", "60s", "--ready", "message"]
                + Self.worker
                // The new release fails in slot 1, and the way back of slot 0 never ends.
                + [
                    "if-slot", "1", "if-generation", "2", "exit", "3", "end", "end", "if-slot", "0", "if-generation",
                    "1",
                ]
                + ["gate", gate.path, "end", "end", "ready", "wait"],
            telling: manager.address)
        // Let the first worker of slot 0 through, once.
        gate.letPass()
        _ = try manager.next(with: "READY=1")
        daemon.signal(SIGHUP)
        try daemon.next("reload_failed")
        daemon.signal(SIGWINCH)
        let (_, before) = try manager.next(with: "READY=1")
        #expect(before.first?.contains("RELOADING=1") == true, "\(before)")
        daemon.signal(SIGQUIT)
        #expect(try daemon.end() == 0)
    }

    /// STOPPING=1 is the last word: a READY=1 behind it would say that the daemon is back.
    @Test func aStopInTheMiddleOfARollIsTheLastWord() throws {
        let folder = try TestFolder()
        let manager = try NotifyReceiver("\(folder.path)/notify")
        let gate = try Gate(in: folder)
        let daemon = try reloading(["--workers", "1"], at: gate, telling: manager)
        #expect(try daemon.stop() == 0)
        _ = try manager.next(with: "STOPPING=1")
        #expect(manager.allNow().isEmpty)
    }

    @Test func givingUpIsStopping() throws {
        let folder = try TestFolder()
        let manager = try NotifyReceiver("\(folder.path)/notify")
        let daemon = try start(
            ["--workers", "1", "--give-up", "2/1m", "--backoff", "1ms", "--ready", "message"] + Self.worker + [
                "exit", "3",
            ],
            telling: manager.address)
        #expect(try daemon.end() == 1)
        let (stopping, before) = try manager.next(with: "STOPPING=1")
        #expect(before.allSatisfy { !$0.contains("READY=1") })
        #expect(value("STATUS", in: stopping)?.isEmpty == false)
    }

    @Test func aManagerThatIsGoneDoesNoHarm() throws {
        let folder = try TestFolder()
        let daemon = try start(
            ["--workers", "1", "--ready", "message"] + Self.worker + ["ready", "wait"], telling: "\(folder.path)/nobody"
        )
        try daemon.next("pool_ready")
        #expect(try daemon.next("notify_failed").message.contains("No such file or directory"))
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        #expect(try daemon.stop() == 0)
    }

    @Test func aManagerThatLeavesDoesNoHarm() throws {
        let folder = try TestFolder()
        var manager: NotifyReceiver? = try NotifyReceiver("\(folder.path)/notify")
        let daemon = try start(
            ["--workers", "1", "--ready", "message"] + Self.worker + ["ready", "wait"], telling: "\(folder.path)/notify"
        )
        _ = try manager?.next(with: "READY=1")
        manager = nil
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        // A manager that is back at the same address is told again.
        let successor = try NotifyReceiver("\(folder.path)/notify")
        #expect(try daemon.stop() == 0)
        _ = try successor.next(with: "STOPPING=1")
    }

    /// A lost READY=1 would make the manager kill a daemon that serves: what doesn't fit now is told when there is
    /// room.
    @Test func aManagerWhoseSocketIsFullIsToldLater() throws {
        let folder = try TestFolder()
        let manager = try NotifyReceiver("\(folder.path)/notify")
        let count = try manager.fill()
        let daemon = try start(
            ["--workers", "1", "--ready", "message"] + Self.worker + ["ready", "wait"], telling: manager.address)
        try daemon.next("pool_ready")
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        for _ in 0..<count { #expect(try manager.next() == ["X_FULL=1"]) }
        let words = try manager.next(with: "READY=1")
        #expect(words.before.allSatisfy { time(in: $0) != nil }, "\(words)")
        #expect(try manager.next().contains("RELOADING=1"))
        #expect(value("STATUS", in: try manager.next(with: "READY=1").datagram) == "1 worker serves generation 2")
        #expect(daemon.records("notify_failed").isEmpty)
        #expect(try daemon.stop() == 0)
    }

    /// The manager's socket stays full while there is much to say: the daemon goes on, and ends.
    @Test func aManagerThatReadsNothingHoldsNothingUp() throws {
        let folder = try TestFolder()
        let manager = try NotifyReceiver("\(folder.path)/notify")
        _ = try manager.fill()
        let daemon = try start(
            ["--workers", "40", "--surge", "40", "--ready", "message"]
                + Self.shell("echo >&$READY_FD; exec sleep infinity"),
            telling: manager.address, ["WATCHDOG_USEC=2000"])
        try daemon.next("pool_ready")
        for _ in 0..<2 {
            daemon.signal(SIGHUP)
            try daemon.next("reload_done")
        }
        #expect(try daemon.stop() == 0)
    }

    private static func shell(_ script: String) -> [String] { ["sh", "-c", script] }

    // MARK: the daemon's own watchdog

    @Test(arguments: [true, false])
    func pingsTheManagersWatchdog(named: Bool) throws {
        let folder = try TestFolder()
        let manager = try NotifyReceiver("\(folder.path)/notify")
        let began = now()
        let script = "WATCHDOG_USEC=100000 \(named ? "WATCHDOG_PID=$$" : "") exec \"$0\" \"$@\""
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--ready", "message"] + Self.worker + ["show", "ready", "wait"],
            environment: ChildProcess.plainEnvironment + ["NOTIFY_SOCKET=\(manager.address)"], under: Self.shell(script)
        )
        var pings = try manager.next(with: "READY=1").before.count { $0 == ["WATCHDOG=1"] }
        for _ in 0..<4 {
            #expect(try manager.next() == ["WATCHDOG=1"])
            pings += 1
        }
        // At half the interval, and not more often.
        #expect(now() - began >= pings * 50_000)
        #expect(try daemon.stop() == 0)
        let line = try #require(try daemon.process.output.rest().first)
        let variables = try #require(
            (JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])?["env"] as? [String: String])
        // --watchdog of a worker is off, and its notify socket is its own.
        #expect(variables["WATCHDOG_USEC"] == nil)
        #expect(variables["WATCHDOG_PID"] == nil)
        #expect(variables["NOTIFY_SOCKET"] != nil && variables["NOTIFY_SOCKET"] != manager.address)
    }

    @Test(arguments: [
        "WATCHDOG_USEC=10000 WATCHDOG_PID=1", "WATCHDOG_USEC=0", "WATCHDOG_USEC=soon",
        "WATCHDOG_USEC=18446744073709551615",
    ])
    func leavesAWatchdogAloneThatIsNotItsOwn(variables: String) throws {
        let folder = try TestFolder()
        let manager = try NotifyReceiver("\(folder.path)/notify")
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--soak", "100ms", "--ready", "message"] + Self.worker + ["ready", "wait"],
            environment: ChildProcess.plainEnvironment + ["NOTIFY_SOCKET=\(manager.address)"],
            under: Self.shell("\(variables) exec \"$0\" \"$@\""))
        try daemon.next("pool_ready")
        // 100ms pass in the soak: a ping each 5ms would be among what came.
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        #expect(try daemon.stop() == 0)
        #expect(manager.allNow().allSatisfy { !$0.contains("WATCHDOG=1") })
    }
}
