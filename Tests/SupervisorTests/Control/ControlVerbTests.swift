// What clients of the control socket may ask, each verb against a real pool.
import Foundation
import Testing

@Suite struct ControlVerbTests {
    @Test func statusKnowsEachWorker() throws {
        let app = try ControlledDaemon(
            Apps.worker("send", "STATUS=all fine", "ready", "serve"),
            options: ["--workers", "2", "--listen", "web=127.0.0.1:0"])
        try app.daemon.next("pool_ready")
        let status = try app.ask("status")
        #expect(status.isOK)
        let pool = status.object("pool")
        #expect(pool["name"] as? String == "app" && pool["pid"] as? Int == Int(app.daemon.pid))
        #expect(pool["workers"] as? Int == 2 && pool["phase"] as? String == "running")
        #expect(pool["generation"] as? Int == 1 && pool["newest"] as? Int == 1)
        #expect(pool["program"] as? String == Apps.python)
        #expect((pool["arguments"] as? [String])?.last == "serve")
        #expect(status.fields["roll"] is NSNull)
        let listener = try #require(status.objects("listeners").first)
        #expect(listener["name"] as? String == "web" && listener["queue"] as? Int == 0)
        #expect((listener["address"] as? String)?.hasPrefix("127.0.0.1:") == true)
        #expect(status.objects("generations").map { $0["state"] as? String } == ["serving"])
        let pids = Set(app.daemon.records("worker_ready").compactMap { $0.pid })
        #expect(Set(status.workers.compactMap { ($0["pid"] as? Int).map(Int32.init) }) == pids)
        for worker in status.workers {
            #expect(worker["state"] as? String == "ready" && worker["status"] as? String == "all fine")
            #expect(worker["memory_bytes"] as? Int ?? 0 > 1_000_000)
            #expect(worker["cpu_s"] as? Double ?? -1 >= 0)
            #expect(worker["connections"] as? Int == 0)
            #expect(worker["restarts"] as? Int == 0)
        }
        try app.daemon.endsClean()
    }

    @Test(arguments: ["tcp", "path", "abstract"]) func statusCountsConnectionsAndQueues(kind: String) throws {
        let code = """
            import os, socket, sys
            listener = socket.socket(fileno=3)
            os.write(int(os.environ["READY_FD"]), b"READY=1\\n")
            connection, _ = listener.accept()
            print("accepted", file=sys.stderr, flush=True)
            connection.recv(1)
            """
        let folder = try TestFolder()
        let port = try Network.freePort()
        let (spec, address) =
            switch kind {
            case "path": ("unix:\(folder.path)/app", Client.Address.unix("\(folder.path)/app"))
            case "abstract": ("unix:@\(folder.path)", Client.Address.unix("@\(folder.path)"))
            default: ("127.0.0.1:\(port)", Client.Address.ipv4("127.0.0.1", port))
            }
        let app = try ControlledDaemon(
            [Apps.python, "-ISc", code], options: ["--workers", "1", "--listen", spec], in: folder)
        try app.daemon.next("pool_ready")
        let logs = try app.connect()
        try logs.send("logs", ["follow": true])
        let clients = (0..<3).map { _ in Client.connected(address) }
        defer { for client in clients { close(client) } }
        #expect(clients.allSatisfy { $0 >= 0 })
        try logs.event("line") { $0.string("line") == "accepted" }
        let status = try app.ask("status")
        #expect(status.workers.map { $0["connections"] as? Int } == [1], "\(status)")
        #expect(status.objects("listeners").map { $0["queue"] as? Int } == [2], "\(status)")
        #expect(try app.daemon.stop() == 0)
    }

    @Test func aReloadIsFollowedToItsEnd() throws {
        let app = try ControlledDaemon(Apps.readyShell, options: ["--workers", "3"])
        try app.daemon.next("pool_ready")
        let client = try app.connect()
        try client.send("reload")
        let (events, end) = try client.answer()
        #expect(
            events.map { $0.event } == ["reload_began"] + [String](repeating: "slot_replaced", count: 3) + [
                "reload_done"
            ])
        #expect(events.map { $0.number("replaced") } == [0, 1, 2, 3, 3])
        #expect(events.allSatisfy { $0.number("workers") == 3 && $0.number("generation") == 2 })
        #expect(end.isOK && end.outcome == "done" && end.number("generation") == 2 && end.number("took_s") >= 0)
        let asked = try app.daemon.next("reload_asked")
        #expect(asked.message.contains("over the control socket") && asked.number("by") == Double(getpid()))
        // The same connection may be used again.
        #expect(try client.ask("status").object("pool")["generation"] as? Int == 2)
        try app.daemon.endsClean()
    }

    @Test func aFailedReloadSaysWhy() throws {
        let app = try ControlledDaemon(ControlledDaemon.breaking, options: ["--workers", "2"])
        try app.daemon.next("pool_ready")
        let client = try app.connect()
        try client.send("reload")
        let (events, end) = try client.answer()
        #expect(events.map { $0.event }.suffix(3) == ["worker_failed", "reload_failed", "reload_reverted"])
        #expect(end.outcome == "failed" && end.number("exit_status") == 3 && end.strings("stderr") == ["no database"])
        #expect(end.string("reason")?.contains("worker exited with status 3 before it was ready") == true)
        let status = try client.ask("status")
        let last = status.object("last_reload")
        #expect(last["outcome"] as? String == "failed" && last["stderr"] as? [String] == ["no database"])
        #expect((last["by"] as? [String: Any])?["pid"] as? Int == Int(getpid()))
        #expect(status.objects("generations").map { $0["state"] as? String } == ["serving", "bad"])
        #expect(status.object("pool")["generation"] as? Int == 1)
        try app.daemon.endsClean()
    }

    /// By a signal, and in the middle of the revert.
    @Test func aWorkerKilledInItsSoakIsNamedBySignal() throws {
        let app = try ControlledDaemon(
            Apps.shell("echo READY=1 >&$READY_FD; [ $RELOADERD_GENERATION = 1 ] || kill -SEGV $$; exec sleep 1000"),
            options: ["--workers", "1", "--soak", "1h"])
        try app.daemon.next("pool_ready")
        let end = try app.ask("reload")
        #expect(end.outcome == "failed" && end.string("signal") == "SEGV", "\(end)")
        try app.daemon.endsClean()
    }

    @Test func aReloadNeedNotBeWaitedFor() throws {
        let (app, gate) = try ControlledDaemon.withGate()
        let end = try app.ask("reload", ["wait": false])
        #expect(end.outcome == "begun" && end.number("generation") == 2)
        let roll = try app.ask("status").object("roll")
        #expect(roll["target"] as? Int == 2 && roll["base"] as? Int == 1 && roll["direction"] as? String == "forward")
        gate.letPass()
        try app.daemon.next("reload_done")
        try app.daemon.endsClean()
    }

    @Test func aReloadThatIsNotDoneInTimeIsReverted() throws {
        let (app, _) = try ControlledDaemon.withGate()
        let client = try app.connect()
        let end = try client.ask("reload", ["timeout_s": 0.02])
        #expect(end.outcome == "timed_out" && end.number("took_s") >= 0.02)
        #expect(end.string("reason")?.contains("every slot serves generation 1 again") == true)
        #expect(try client.ask("status").object("pool")["generation"] as? Int == 1)
        #expect(app.daemon.records("reload_done").isEmpty)
        try app.daemon.endsClean()
    }

    @Test func twoReloadsAtOnce() throws {
        let (app, gate) = try ControlledDaemon.withGate()
        let (first, second) = (try app.connect(), try app.connect())
        try first.send("reload")
        try first.event("reload_began")
        try second.send("reload")
        let superseded = try first.answer().end
        #expect(superseded.outcome == "superseded" && superseded.number("generation") == 2)
        // The gate can let the right worker pass only when that of the first reload is gone.
        try app.daemon.next("worker_exited") { $0.generation == 2 }
        gate.letPass()
        let done = try second.answer().end
        #expect(done.outcome == "done" && done.number("generation") == 3)
        try app.daemon.endsClean()
    }

    /// The revert of the first is cut short by the second: it has failed all the same.
    @Test func aReloadDuringARevert() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        // Generation 2 takes slot 0 and breaks in slot 1; its revert waits at the gate.
        let script = """
            case $RELOADERD_GENERATION.$RELOADERD_SLOT.$0 in 2.1.*) exit 1 ;; esac
            [ ! -e \(folder.path)/slow ] || read line <\(gate.path)
            [ $RELOADERD_GENERATION.$RELOADERD_SLOT != 2.0 ] || touch \(folder.path)/slow
            echo READY=1 >&$READY_FD; exec sleep 1000
            """
        let app = try ControlledDaemon(Apps.shell(script), options: ["--workers", "2", "--surge", "1"], in: folder)
        try app.daemon.next("pool_ready")
        let first = try app.connect()
        try first.send("reload")
        try first.event("reload_failed")
        let roll = try app.ask("status").object("roll")
        #expect(roll["direction"] as? String == "revert")
        let second = try app.connect()
        try second.send("reload")
        let failed = try first.answer().end
        #expect(failed.outcome == "failed" && failed.number("exit_status") == 1)
        #expect(failed.string("reason")?.contains("generation 3 was requested during the revert") == true)
        gate.letPass(10)
        #expect(try second.answer().end.outcome == "done")
        #expect(try app.daemon.stop() == 0)
    }

    @Test func aReloadIsRefusedWithItsReason() throws {
        let folder = try TestFolder()
        let config = try folder.write("app.conf", "workers 1\n")
        let app = try ControlledDaemon(Apps.readyShell, options: ["--config", config], in: folder)
        try app.daemon.next("pool_ready")
        try folder.write("app.conf", "workers many\n")
        let end = try app.ask("reload")
        #expect(end.outcome == "refused")
        #expect(end.string("reason")?.contains("\(config):1: workers") == true, "\(end)")
        try app.daemon.endsClean()
    }

    @Test func aReloadMayChangeTheArguments() throws {
        let app = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1"])
        try app.daemon.next("pool_ready")
        let client = try app.connect()
        func script() throws -> String? {
            (try client.ask("status").object("pool")["arguments"] as? [String])?.last
        }
        let other = "echo READY=1 >&$READY_FD; exec sleep 2000"
        #expect(try client.ask("reload", ["arguments": ["-c", other]]).outcome == "done")
        #expect(try script() == other)
        #expect(try client.ask("reload").outcome == "done")
        #expect(try script() == other, "what was deployed stays")
        #expect(try client.ask("reload", ["arguments": ["-c", "exit 1"]]).outcome == "failed")
        #expect(try script() == other)
        #expect(try client.ask("reload").outcome == "done")
        #expect(try script() == other, "what has failed does not")
        try app.daemon.endsClean()
    }

    @Test func surgeAndSoakAreForThisReload() throws {
        let app = try ControlledDaemon(Apps.readyShell, options: ["--workers", "4", "--surge", "1"])
        try app.daemon.next("pool_ready")
        #expect(try app.ask("reload", ["surge": 4, "soak_s": 0.05]).outcome == "done")
        let done = try app.daemon.next("reload_done")
        #expect(done.number("took") >= 0.05)
        // All four soak at the same time, so all have started before the first slot is replaced.
        let began = app.daemon.log.lastIndex { $0.event == "reload_began" } ?? 0
        let story = app.daemon.log[began...].map { $0.event }
        let starts = story.prefix { $0 != "slot_replaced" }.filter { $0 == "worker_started" }
        #expect(starts.count == 4)
        try app.daemon.endsClean()
    }

    @Test func logsRememberTheDead() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let app = try ControlledDaemon(
            Apps.shell(
                "echo \"hello from $$\" >&2; echo READY=1 >&$READY_FD; read line <\(gate.path); "
                    + "echo \"bye from $$\" >&2; exit 1"
            ),
            options: ["--workers", "1"], in: folder)
        let first = try #require(try app.daemon.next("worker_ready").pid)
        gate.letPass()
        let second = try #require(try app.daemon.next("worker_ready").pid)
        let lines = try app.ask("logs", ["slot": 0]).objects("lines")
        #expect(
            lines.map { $0["line"] as? String } == ["hello from \(first)", "bye from \(first)", "hello from \(second)"])
        #expect(lines.map { $0["alive"] as? Bool } == [false, false, true])
        #expect(lines.map { $0["pid"] as? Int } == [first, first, second].map(Int.init))
        #expect(try app.ask("logs", ["slot": 7]).objects("lines").isEmpty)

        let follower = try app.connect()
        try follower.send("logs", ["follow": true])
        try follower.event("line") { $0.string("line") == "hello from \(second)" }
        gate.letPass()
        try follower.event("line") { $0.string("line") == "bye from \(second)" }
        #expect(try app.daemon.stop() == 0)
    }

    @Test func logsSayWhereTheyAreNot() throws {
        let app = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1", "--output", "inherit"])
        try app.daemon.next("pool_ready")
        let end = try app.ask("logs")
        #expect(end.isOK && end.string("note")?.contains("--output relay") == true)
        try app.daemon.endsClean()
    }

    @Test func eventsAreTheLog() throws {
        let app = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1"])
        try app.daemon.next("pool_ready")
        let client = try app.connect()
        try client.send("events")
        let (events, end) = try client.answer()
        #expect(end.isOK)
        #expect(events.map { $0.event }.suffix(2) == ["worker_ready", "pool_ready"])
        for (event, record) in zip(events.reversed(), app.daemon.log.reversed()) {
            var fields = event.fields
            #expect(fields.removeValue(forKey: "type") as? String == "event")
            #expect(NSDictionary(dictionary: fields) == NSDictionary(dictionary: record.fields))
        }
        try client.send("events", ["follow": true])
        try client.event("pool_ready")
        app.daemon.signal(SIGHUP)
        try client.event("reload_done")
        try app.daemon.endsClean()
    }

    @Test func scales() throws {
        let app = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1"])
        try app.daemon.next("pool_ready")
        let client = try app.connect()
        #expect(try client.ask("scale", ["to": 3]).number("workers") == 3)
        #expect(try client.ask("scale", ["by": -1]).number("workers") == 2)
        #expect(try client.ask("scale", ["by": -100]).number("workers") == 1)
        for arguments: [String: Any] in [[:], ["to": 1, "by": 1], ["to": 0], ["to": 5000], ["by": 1.5], ["to": "2"]] {
            #expect(try client.ask("scale", arguments).code == "usage", "\(arguments)")
        }
        try app.daemon.endsClean()
    }

    /// Two clients that ask for a graceful stop both wait, and both hear of the end.
    @Test func stopsWithPatience() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let app = try ControlledDaemon(
            Apps.shell(
                "trap 'read line <\(gate.path); exit 0' TERM; echo READY=1 >&$READY_FD; while :; "
                    + "do sleep 1000 & wait; done"
            ),
            options: ["--workers", "1"], in: folder)
        try app.daemon.next("pool_ready")
        let (first, second) = (try app.connect(), try app.connect())
        try first.send("stop", ["wait": true])
        try app.daemon.next("stopping")
        #expect(try app.ask("stop").isOK)
        #expect(try app.ask("reload").code == "refused")
        #expect(try app.ask("scale", ["to": 2]).code == "refused")
        #expect(try app.ask("status").object("pool")["phase"] as? String == "stopping")
        try second.send("stop", ["wait": true])
        gate.letPass()
        for client in [first, second] {
            let end = try client.line()
            #expect(end.isOK && end.number("exit_status") == 0)
            #expect(try client.next() == nil)
        }
        #expect(try app.daemon.end() == 0)
        #expect(app.daemon.records("worker_killed").isEmpty)
        #expect(!folder.contains("run/app.sock"))
    }

    @Test func stopsFast() throws {
        let app = try ControlledDaemon(Apps.worker("ignore", "TERM", "ready", "wait"), options: ["--workers", "1"])
        try app.daemon.next("pool_ready")
        #expect(try app.ask("stop", ["fast": true, "wait": true]).isOK)
        #expect(try app.daemon.end() == 0)
    }
}
