// --on-event: told of what happens, as a process that nothing waits for.
import Foundation
import Testing

@testable import Supervisor

@Suite struct HookTests {
    /// Writes the event's name and its JSON, as one line, to `fifo`.
    private func telling(_ fifo: Fifo) -> [String] {
        ["--on-event", "read -r json; printf '%s %s\\n' \"$RELOADERD_EVENT\" \"$json\" >'\(fifo.path)'"]
    }

    private func next(_ fifo: Fifo) throws -> (name: String, event: LogLine) {
        let line = try #require(try fifo.lines.next())
        let blank = try #require(line.firstIndex(of: " "))
        return (String(line[..<blank]), try #require(LogLine(String(line[line.index(after: blank)...])), "\(line)"))
    }

    @Test func theyAreToldWhatHappens() throws {
        let folder = try TestFolder()
        let fifo = try Fifo(in: folder)
        let app = try folder.writeProgram("app", "#!/bin/sh\necho READY=1 >&$READY_FD; exec sleep 1000\n")
        let daemon = try DaemonUnderTest(["-w", "1", "--name", "shop"] + telling(fifo) + [app])
        func expect(_ name: String, _ record: String, _ fields: [String]) throws -> LogLine {
            let (told, event) = try next(fifo)
            #expect(told == name && event.event == name)
            #expect(event.text("daemon") == "shop" && event.number("daemon_pid") == Double(daemon.pid))
            let record = try daemon.next(record)
            #expect(event.message == record.message && event.level == record.level)
            #expect(event.time == record.time)
            for field in fields {
                #expect("\(try #require(event.fields[field]))" == "\(try #require(record.fields[field]))", "\(field)")
            }
            return event
        }
        _ = try expect("ready", "pool_ready", ["workers", "after"])
        daemon.signal(SIGHUP)
        _ = try expect("deployed", "reload_done", ["generation", "workers", "took"])

        try folder.writeProgram("app", "#!/bin/sh\necho a reason >&2; echo 'the \"last\" \\ word' >&2; exit 3\n")
        daemon.signal(SIGHUP)
        // These three come together, and their hooks run at the same time.
        var events: [String: LogLine] = [:]
        for _ in 0..<3 {
            let (name, event) = try next(fifo)
            events[name] = event
        }
        #expect(events.keys.sorted() == ["crashed", "failed", "reverted"])
        #expect(events["crashed"]?.text("last_lines") == "a reason\nthe \"last\" \\ word")
        #expect(events["crashed"]?.slot == 0 && events["crashed"]?.generation == 3)
        #expect(events["failed"]?.text("last_lines") == "a reason\nthe \"last\" \\ word")
        #expect(events["failed"]?.message.contains("exited with status 3") == true)
        #expect(events["reverted"]?.number("base") == 2)
        #expect(daemon.records("hook_failed").isEmpty)
        try daemon.endsClean()
    }

    @Test func aPromotionAndATimeOutAreTold() throws {
        let folder = try TestFolder()
        let fifo = try Fifo(in: folder)
        let app = try ControlledDaemon(Apps.readyShell, options: ["-w", "2"] + telling(fifo), in: folder)
        #expect(try next(fifo).name == "ready")
        let reload = try app.connect()
        try reload.send("reload", ["canary": 1])
        try app.daemon.next("canary_waits")
        _ = try app.ask("promote")
        // These two come together.
        #expect(try Set([next(fifo).name, next(fifo).name]) == ["promoted", "deployed"])

        try app.connect().send("reload", ["canary": 1, "timeout_s": 0.001])
        let told = try [next(fifo), next(fifo)].sorted { $0.name < $1.name }
        #expect(told.map { $0.name } == ["failed", "reverted"])
        #expect(told[0].event.message.contains("did not finish in time"), "\(told[0].event.message)")
        try app.daemon.endsClean()
    }

    /// The give-up is the daemon's last deed, and its hook still has a moment.
    @Test func givingUpIsTold() throws {
        let folder = try TestFolder()
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--give-up", "1/1m", "--on-event", "cat >\(folder.path)/$RELOADERD_EVENT"]
                + Apps.shell("exit 1"))
        #expect(try daemon.end() == 1)
        #expect(
            LogLine(folder.text(of: "give-up").split(separator: "\n").map(String.init).first ?? "")?.event == "give-up")
        #expect(folder.contains("crashed"))
    }

    /// The hook has a moment and no more.
    @Test func theEndDoesNotWaitForLong() throws {
        let folder = try TestFolder()
        let fifo = try Fifo(in: folder)
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--on-event-timeout", "1h", "--on-event", "sleep 1000 & echo $$ $! >\(fifo.path); wait"]
                + Apps.readyShell)
        let pids = try #require(try fifo.lines.next()).split(separator: " ").compactMap { Int32($0) }
        let views = try pids.map { try ProcessView($0) }
        daemon.signal(15)
        #expect(try daemon.end() == 0)
        let killed = daemon.records("hook_killed").map { $0.message }
        #expect(killed == ["killing the hook for ready: the daemon is ending"])
        for view in views { try view.waitForEnd() }
    }

    /// A hook is killed with all that it has started, while rolls go on.
    @Test func oneThatHangsIsKilledAndDelaysNothing() throws {
        let folder = try TestFolder()
        let fifo = try Fifo(in: folder)
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--on-event-timeout", "10s", "--on-event", "sleep 1000 & echo $$ $! >\(fifo.path); wait"]
                + Apps.readyShell)
        let pids = try #require(try fifo.lines.next()).split(separator: " ").compactMap { Int32($0) }
        let views = try pids.map { try ProcessView($0) }
        // There are more reloads than may have hooks running, all of them while the first hook hangs.
        for _ in 0...HookQueue.runningMax {
            daemon.signal(SIGHUP)
            try daemon.next("reload_done")
        }
        #expect(daemon.records("hook_killed").isEmpty)
        let killed = try daemon.next("hook_killed")
        #expect(killed.pid == pids.first && killed.text("hook") == "ready")
        #expect(killed.message == "killing the hook for ready: it did not end within 10.000s")
        for view in views { try view.waitForEnd() }
        // The event that had to wait has its turn.
        for _ in 0...HookQueue.runningMax { #expect(try fifo.lines.next() != nil) }
        try daemon.endsClean()
        #expect(daemon.records("hook_failed").isEmpty)
    }

    @Test(arguments: [
        ("exit 3", "exited with status 3"), ("no-such-command-here", "exited with status 127"),
        ("kill -9 $$", "was killed by signal 9 (Killed)"), ("(", "exited with status 2"),
    ])
    func oneThatFailsIsTold(_ command: String, _ words: String) throws {
        let daemon = try DaemonUnderTest(["-w", "1", "--on-event", command] + Apps.readyShell)
        #expect(try daemon.next("hook_failed").message == "hook for ready \(words)")
        try daemon.endsClean()
    }

    /// Processes that a hook leaves don't outlive it, or there would be no bound to them.
    @Test func whatItLeavesBehindIsKilled() throws {
        let folder = try TestFolder()
        let fifo = try Fifo(in: folder)
        let gate = try Gate(in: folder)
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--on-event", "sleep 1000 & echo $! >\(fifo.path); read x <\(gate.path)"] + Apps.readyShell)
        let view = try ProcessView(try #require(try fifo.lines.next().flatMap { Int32($0) }))
        #expect(view.isAlive)
        gate.letPass()
        try view.waitForEnd()
        try daemon.endsClean()
        #expect(daemon.records("hook_failed").isEmpty && daemon.records("hook_killed").isEmpty)
    }

    /// Few hooks run, few wait, and the rest is counted.
    @Test func tooManyAreDroppedAndCounted() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--backoff", "1ms", "--backoff-cap", "1ms", "--on-event-timeout", "1h"]
                + ["--on-event", "echo hook >&2; read x <\(gate.path)"] + ["/bin/false"])
        let count = HookQueue.runningMax + HookQueue.waitingMax + 10
        for _ in 0..<count { try daemon.next("worker_failed") }
        #expect(daemon.otherLines.count { $0 == "hook" } <= HookQueue.runningMax)
        gate.letPass(HookQueue.runningMax)
        #expect(try daemon.next("hooks_dropped").number("events") >= 10)
        daemon.signal(SIGQUIT)
        #expect(try daemon.end() == 0)
    }

    /// The daemon's own surroundings, nothing of an outer supervisor, no descriptors but the three.
    @Test func itsSurroundingsAreClean() throws {
        let folder = try TestFolder()
        let fifo = try Fifo(in: folder)
        let daemon = try DaemonUnderTest(
            [
                "-w", "1", "--listen", "unix:\(folder.path)/s", "--chdir", "/", "--env", "FOR_WORKERS=1", "--on-event",
                "[ /proc/self/fd/1 -ef /dev/null ] && null=yes; "
                    + "{ env; echo cwd=$(pwd); echo null=$null; ls /proc/self/fd | sed s/^/fd=/; "
                    + "grep -E '^Sig(Blk|Ign)' /proc/self/status; echo group=$(cut -d' ' -f5 /proc/$$/stat) pid=$$; "
                    + "echo end; } >\(fifo.path).all; cat \(fifo.path).all >\(fifo.path)",
            ] + Apps.readyShell,
            environment: ChildProcess.plainEnvironment + ["NOTIFY_SOCKET=/nonexistent", "READY_FD=77", "MINE=yes"],
            directory: folder.path)
        var lines: [String] = []
        while let line = try fifo.lines.next(), line != "end" { lines.append(line) }
        #expect(lines.contains("RELOADERD_EVENT=ready") && lines.contains("MINE=yes"))
        #expect(!lines.contains { $0.hasPrefix("NOTIFY_SOCKET") || $0.hasPrefix("READY_FD") || $0.hasPrefix("FOR_WO") })
        #expect(lines.contains("cwd=\(folder.path)"))
        #expect(lines.contains("null=yes"))
        // 3 is the directory that is being read.
        #expect(lines.filter { $0.hasPrefix("fd=") } == ["fd=0", "fd=1", "fd=2", "fd=3"])
        #expect(lines.filter { $0.hasPrefix("Sig") }.allSatisfy { $0.hasSuffix("0000000000000000") })
        let group = try #require(lines.first { $0.hasPrefix("group=") }?.wholeMatch(of: /group=(\d+) pid=(\d+)/))
        #expect(group.1 == group.2)
        try daemon.endsClean()
    }

    /// The pool has ended, and only the hook is waited for: no order begins a deploy that nobody would end.
    @Test func nothingIsDeployedWhileTheLastHookIsWaitedFor() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let app = try ControlledDaemon(
            Apps.readyShell, options: ["-w", "1", "--on-event", "read line <\(gate.path)"], in: folder)
        try app.daemon.next("pool_ready")
        let client = try app.connect()
        app.daemon.signal(SIGTERM)
        try app.daemon.next("worker_exited")
        app.daemon.signal(SIGHUP)
        try client.send("reload")
        let answer = try client.next()
        #expect(answer?.code == "refused", "\(answer?.text ?? "the daemon had ended")")
        try app.daemon.end()
        #expect(app.daemon.records("reload_asked").isEmpty)
        let history = folder.text(of: "state/app.history").split(separator: "\n")
        #expect(history.count == 1, "\(history)")
        app.daemon.leavesNothing()
    }

    /// It may be another after a reload.
    @Test func theConfigFileMayChangeIt() throws {
        let folder = try TestFolder()
        let fifo = try Fifo(in: folder)
        let config = try folder.write("conf", "on-event echo one >\(fifo.path)\n")
        let daemon = try DaemonUnderTest(["-w", "1", "--config", config] + Apps.readyShell)
        #expect(try fifo.lines.next() == "one")
        try folder.write("conf", "on-event echo two >\(fifo.path)\n")
        daemon.signal(SIGHUP)
        #expect(try fifo.lines.next() == "two")
        try daemon.endsClean()
    }
}
