import Foundation
import Testing

/// Each verb against the real daemon, as a person would use it.
@Suite struct VerbDaemonTests {
    private let folder: TestFolder

    init() throws { folder = try TestFolder() }

    private static let plain = Apps.shell("echo hello >&2; echo READY=1 >&$READY_FD; exec sleep 1000")

    private func environment(_ app: ControlledDaemon) -> [String] {
        ChildProcess.plainEnvironment + ControlledDaemon.environment(of: app.folder)
    }

    private func client(_ words: [String], of app: ControlledDaemon) throws -> ChildProcess {
        try ChildProcess([Products.reloaderd] + words, environment: environment(app))
    }

    private func run(_ words: [String], of app: ControlledDaemon) throws -> CommandRun {
        try CommandRun.reloaderd(words, environment: environment(app))
    }

    @Test func reloadReturnsWhenTheLastSlotIsReplaced() throws {
        let (app, gate) = try ControlledDaemon.withGate(["--workers", "2", "--surge", "1"])
        let client = try client(["reload"], of: app)
        #expect(try client.output.next() == "reload: generation 2 replaces generation 1")
        gate.letPass()
        #expect(try client.output.next() == "slot 0: 1 of 2 slots serve generation 2")
        #expect(client.isRunning)
        gate.letPass()
        let run = try client.finished()
        #expect(run.status == 0)
        #expect(run.errors.isEmpty)
        #expect(run.output.contains("slot 1: 2 of 2 slots serve generation 2\n"))
        #expect(run.output.split(separator: "\n").last?.hasPrefix("generation 2 serves after ") == true)
    }

    @Test func aBrokenReleaseSaysWhy() throws {
        let app = try ControlledDaemon(ControlledDaemon.breaking, options: ["--workers", "2"])
        try app.daemon.next("pool_ready")
        let reload = try run(["reload"], of: app)
        #expect(reload.status == 1)
        #expect(reload.errorLines.first?.hasPrefix("reloaderd: reload failed after ") == true)
        #expect(reload.errors.contains("exited with status 3 before it was ready"))
        #expect(
            reload.errorLines.dropFirst()
                == ["the worker's exit status was 3", "its last lines on standard error:", "  | no database"])
        let history = try run(["history"], of: app)
        #expect(
            history.output.split(separator: "\n").filter { $0.hasPrefix("  1  ") || $0.hasPrefix("  2  ") }.count == 2)
        #expect(history.output.contains("  failed "))
        let status = try run(["status"], of: app)
        #expect(status.output.contains("\nlast        reload to generation 2 failed after "))
        #expect(status.output.contains("\ngeneration  2 bad, made "))
    }

    @Test func ofTwoReloadsTheFirstIsSuperseded() throws {
        let (app, gate) = try ControlledDaemon.withGate()
        let first = try client(["reload"], of: app)
        _ = try first.output.next()
        let second = try client(["reload"], of: app)
        let run = try first.finished()
        #expect(run.status == 2)
        #expect(run.errors.hasPrefix("reloaderd: reload superseded after "))
        _ = try second.output.next()
        for _ in 0..<2 { gate.letPass() }
        #expect(try second.finished().status == 0)
    }

    @Test func aReloadThatTakesTooLongIsReverted() throws {
        let (app, _) = try ControlledDaemon.withGate()
        let reload = try run(["reload", "--timeout", "50ms"], of: app)
        #expect(reload.status == 3)
        #expect(reload.errors.contains("every slot serves generation 1 again"))
    }

    @Test func aClientThatIsKilledLeavesTheReloadAlone() throws {
        let (app, gate) = try ControlledDaemon.withGate()
        let client = try client(["reload"], of: app)
        _ = try client.output.next()
        client.signal(SIGKILL)
        try client.wait()
        gate.letPass()
        try app.daemon.next("reload_done")
        #expect(try run(["status"], of: app).output.contains("\nlast        reload to generation 2 done after "))
    }

    @Test func aDaemonThatIsKilledIsNoSuccess() throws {
        // Its workers go with it, as nobody else would end them.
        let app = try ControlledDaemon(
            [
                "/usr/bin/setpriv", "--pdeathsig", "KILL", "/bin/sh", "-c",
                "if [ $RELOADERD_GENERATION = 1 ]; then echo READY=1 >&$READY_FD; else echo up >&2; fi; "
                    + "exec sleep 1000",
            ], options: ["--workers", "1"])
        try app.daemon.next("pool_ready")
        let client = try client(["reload"], of: app)
        while !app.daemon.otherLines.contains("up") { try app.daemon.nextLine() }
        app.daemon.signal(SIGKILL)
        let run = try client.finished()
        #expect(run.status == 4)
        #expect(run.errors.hasPrefix("reloaderd: the daemon closed "))
        #expect(try self.run(["status", "--control", app.path], of: app).status == 4)
    }

    @Test func newArgumentsArePassedOn() throws {
        let app = try ControlledDaemon(
            ["/bin/sh", "-c", "echo \"said $1\" >&2; echo READY=1 >&$READY_FD; exec sleep 1000", "sh", "one"],
            options: ["--workers", "1"])
        try app.daemon.next("pool_ready")
        let script = "echo \"said $1\" >&2; echo READY=1 >&$READY_FD; exec sleep 1000"
        #expect(try run(["reload", "--", "-c", script, "sh", "two"], of: app).status == 0)
        #expect(try run(["logs"], of: app).output.contains("| said two\n"))
        let refused = try run(["reload", "--", String(repeating: "x", count: 100_000)], of: app)
        #expect(refused.status == 1)
        #expect(refused.errors.contains("65536 bytes"))
    }

    @Test func statusShowsThePool() throws {
        let app = try ControlledDaemon(Self.plain, options: ["--workers", "2", "--listen", "127.0.0.1:0"])
        try app.daemon.next("pool_ready")
        let lines = try run(["status"], of: app).output.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(
            lines.first?.hasPrefix("app  running  2/2 ready  generation 1  pid \(app.daemon.pid)  reloaderd ") == true)
        #expect(lines.contains { $0.hasPrefix("generation  1 serving, made ") })
        #expect(lines.contains { $0.hasPrefix("listener    127.0.0.1:") })
        #expect(lines.filter { $0.contains("  ready  ") }.count == 2)
        let json = try run(["status", "--json"], of: app).output
        let object = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? NSDictionary
        #expect((object?["slots"] as? [Any])?.count == 2)
        let list = try run(["list"], of: app).output
        #expect(list.contains("\napp   "))
    }

    @Test func eventsAndLogsAreFollowed() throws {
        let app = try ControlledDaemon(Self.plain, options: ["--workers", "1"])
        try app.daemon.next("pool_ready")
        #expect(try run(["events"], of: app).output.contains(" info    worker_ready slot 0 generation 1 pid "))
        #expect(try run(["logs", "--slot", "0"], of: app).output.hasSuffix("| hello\n"))
        #expect(try run(["logs", "-n", "1"], of: app).output == "slot 0 | hello\n")
        #expect(try run(["logs", "--since", "1h"], of: app).output.hasSuffix("slot 0 | hello\n"))
        #expect(try run(["logs", "--since", "1ms"], of: app).output.isEmpty)
        #expect(try run(["events", "-n", "2"], of: app).output.split(separator: "\n").count == 2)
        let last = try client(["logs", "--follow", "--lines", "1"], of: app)
        #expect(try last.output.next() == "slot 0 | hello")
        let events = try client(["events", "--follow"], of: app)
        let logs = try client(["logs", "--follow", "--long"], of: app)
        #expect(try logs.output.next()?.hasSuffix("| hello") == true)
        #expect(try run(["reload"], of: app).status == 0)
        #expect(try logs.output.next()?.contains("Z slot 0 generation 2 pid ") == true)
        while let line = try events.output.next() {
            if line.contains("reload_done generation 2: ") { break }
        }
        #expect(try run(["stop"], of: app).status == 0)
        #expect(try events.finished().status == 4)
        #expect(try logs.finished().status == 4)
    }

    @Test func logsOfInheritSayWhereTheyAre() throws {
        let app = try ControlledDaemon(Self.plain, options: ["--workers", "1", "--output", "inherit"])
        try app.daemon.next("pool_ready")
        #expect(try run(["logs"], of: app).output.contains("--output inherit keeps no lines"))
    }

    @Test func rollsAreSteered() throws {
        let app = try ControlledDaemon(Self.plain, options: ["--workers", "3"])
        try app.daemon.next("pool_ready")
        func expect(_ words: String..., says output: String) throws {
            let run = try run(words, of: app)
            let last = run.output.split(separator: "\n").last.map(String.init) ?? ""
            #expect(run.status == 0 && last.hasPrefix(output), "\(words): \(run)")
        }
        try expect("reload", "--canary", "1", "--no-wait", says: "reload to generation 2 started")
        try app.daemon.next("canary_waits")
        #expect(try run(["status"], of: app).output.contains("waits for promote"))
        try expect("promote", says: "promoted")
        try app.daemon.next("reload_done")
        #expect(try run(["promote"], of: app).errors == "reloaderd: promote refused: no canary is waiting\n")
        try expect("rollback", says: "generation 1 serves after ")
        try expect("rollback", "2", says: "generation 2 serves after ")
        #expect(try run(["rollback", "7"], of: app).status == 1)
        func ready() throws -> [Int] {
            try app.ask("status").workers.filter { $0["state"] as? String == "ready" }.compactMap { $0["pid"] as? Int }
        }
        let before = try ready()
        try expect("restart", "1", says: "restarted after ")
        let after = try ready()
        #expect(before.count == 3 && after.count == 3)
        #expect(zip(before, after).map { $0 == $1 } == [true, false, true])
        try expect("pause", says: "paused")
        try expect(
            "reload", "--no-wait", says: "reload to generation 3 started: the pool is paused: it waits for resume")
        #expect(try run(["status"], of: app).output.contains("roll        to generation 3 from 2, 0/3 slots"))
        try expect("resume", says: "resumed")
        try app.daemon.next("reload_done")
        try app.daemon.endsClean()
    }

    /// A person who waits for a reload that itself waits for somebody is told for whom.
    @Test func aReloadThatWaitsSaysForWhat() throws {
        let app = try ControlledDaemon(Self.plain, options: ["--workers", "2"])
        try app.daemon.next("pool_ready")
        #expect(try run(["pause"], of: app).status == 0)
        let reload = try client(["reload"], of: app)
        #expect(try reload.output.next()?.contains("generation 2 replaces generation 1") == true)
        #expect(try reload.output.next() == "the pool is paused: reloads wait for resume")
        #expect(try run(["resume"], of: app).status == 0)
        #expect(try reload.output.next() == "the pool is resumed: reloads continue")
        #expect(try reload.finished().status == 0)

        let canary = try client(["reload", "--canary", "1"], of: app)
        while let line = try canary.output.next() {
            guard line.contains("on trial") else { continue }
            #expect(
                line
                    == "1 of 2 slots serve generation 3 on trial: promote continues the reload, rollback takes it back"
            )
            break
        }
        // The line says the truth.
        #expect(try run(["rollback"], of: app).status == 0)
        #expect(try canary.finished().status == 2)
        #expect(try app.ask("status").objects("slots").map { $0["generation"] as? Int } == [2, 2])
        try app.daemon.endsClean()
    }

    /// Ctrl-C ends the command, not the reload; what it says can be done.
    @Test func anInterruptedReloadGoesOn() throws {
        let (app, gate) = try ControlledDaemon.withGate()
        let reload = try client(["reload"], of: app)
        _ = try reload.output.next()
        reload.signal(SIGINT)
        #expect(try reload.finished().errors.contains("the reload continues"))
        gate.letPass()
        try app.daemon.next("reload_done")
        #expect(try run(["rollback"], of: app).output.contains("generation 1 serves after "))
        try app.daemon.endsClean()
    }

    @Test func aCanaryPromotesItself() throws {
        let app = try ControlledDaemon(Self.plain, options: ["--workers", "2"])
        try app.daemon.next("pool_ready")
        let reload = try run(["reload", "--canary", "1", "--canary-time", "100ms"], of: app)
        #expect(reload.status == 0, "\(reload)")
        let waits = try app.daemon.next("canary_waits")
        let promoted = try app.daemon.next("promoted")
        #expect(promoted.number("after") >= 0.1 && promoted.time >= waits.time)
        try app.daemon.next("reload_done")
        try app.daemon.endsClean()
    }

    /// One replacement fails, and is tried again: in a large pool that is no reason to go back.
    @Test(arguments: [("0", 1), ("1", 0)]) func aFailureMayBeAllowed(_ allowed: String, _ status: Int32) throws {
        let folder = try TestFolder()
        let script =
            "[ $RELOADERD_GENERATION = 1 ] || [ -e tried ] || { : >tried; exit 3; }; echo READY=1 >&$READY_FD; "
            + "exec sleep 1000"
        let app = try ControlledDaemon(
            Apps.shell(script), options: ["--workers", "2", "--surge", "1", "--chdir", folder.path])
        try app.daemon.next("pool_ready")
        let reload = try run(["reload", "--max-failures", allowed], of: app)
        #expect(reload.status == status, "\(reload)")
        #expect(try app.daemon.next("worker_failed").generation == 2)
        let generation = status == 0 ? 2 : 1
        #expect(try app.ask("status").objects("slots").map { $0["generation"] as? Int } == [generation, generation])
        try app.daemon.endsClean()
    }

    @Test func scaleAndStop() throws {
        let app = try ControlledDaemon(Self.plain, options: ["--workers", "1"])
        try app.daemon.next("pool_ready")
        #expect(try run(["scale", "+2"], of: app).output == "3 workers\n")
        #expect(try run(["scale", "-1"], of: app).output == "2 workers\n")
        #expect(try run(["scale", "1"], of: app).output == "1 worker\n")
        let stop = try run(["stop"], of: app)
        #expect(stop.status == 0)
        #expect(stop.output == "stopped\n")
        #expect(try app.daemon.end() == 0)
        #expect(try run(["status", "--name", "app"], of: app).status == 4)
    }

    @Test func stopCanBeFast() throws {
        let app = try ControlledDaemon(
            Apps.shell("trap '' TERM; echo READY=1 >&$READY_FD; while :; do sleep 1000; done"),
            options: ["--workers", "1"])
        try app.daemon.next("pool_ready")
        #expect(try run(["stop", "--no-wait"], of: app).output == "stopping\n")
        #expect(try run(["reload"], of: app).status == 1)
        #expect(try run(["stop", "--fast"], of: app).output == "stopped\n")
        try app.daemon.end()
    }
}
