// The history of deploys: who asked for what, how it went, also after a restart of the daemon.
import Foundation
import Testing

@Suite struct ControlHistoryTests {
    @Test func tellsWhoAskedAndSurvivesARestart() throws {
        let folder = try TestFolder()
        let app = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1"], in: folder)
        try app.daemon.next("pool_ready")
        #expect(try app.ask("reload").outcome == "done")
        app.daemon.signal(SIGHUP)
        try app.daemon.next("reload_done") { $0.generation == 3 }
        #expect(try app.ask("reload", ["arguments": ["-c", "exit 5"]]).outcome == "failed")
        let entries = try app.ask("history").objects("entries")
        #expect(entries.map { $0["generation"] as? Int } == [1, 2, 3, 4])
        #expect(entries.map { $0["outcome"] as? String } == ["done", "done", "done", "failed"])
        for entry in entries {
            let by = entry["by"] as? [String: Any] ?? [:]
            #expect(by["pid"] as? Int == Int(getpid()) && by["uid"] as? Int == Int(getuid()), "\(entry)")
            #expect((by["command"] as? String)?.isEmpty == false)
            let executable = entry["executable"] as? [String: Any] ?? [:]
            var status = stat()
            #expect(stat(executable["path"] as? String ?? "", &status) == 0)
            #expect(executable["inode"] as? Int == Int(status.st_ino) && executable["mtime"] is String)
            #expect(entry["took_s"] as? Double ?? -1 >= 0)
        }
        #expect(entries.map { ($0["by"] as? [String: Any])?["signal"] as? String } == [nil, nil, "HUP", nil])
        #expect((entries[3]["reason"] as? String)?.contains("exited with status 5") == true)
        #expect(try app.ask("history", ["limit": 2]).objects("entries").count == 2)
        try app.daemon.endsClean()

        let next = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1"], in: folder)
        try next.daemon.next("pool_ready")
        let later = try next.ask("history").objects("entries")
        #expect(later.map { $0["generation"] as? Int } == [1, 2, 3, 4, 1])
        #expect(NSArray(array: Array(later.prefix(4))) == NSArray(array: entries))
        try next.daemon.endsClean()
    }

    /// What it leaves behind: a stale socket, a deploy without an outcome, a client that hears of the end.
    @Test func aDaemonKilledDuringADeploy() throws {
        let (app, _) = try ControlledDaemon.withGate()
        let client = try app.connect()
        try client.send("reload")
        try client.event("reload_began")
        try app.daemon.next("worker_started") { $0.generation == 2 }
        // The roll is in the history's file from the turn on in which it began.
        #expect(try app.ask("status").isOK)
        app.daemon.signal(SIGKILL)
        #expect(throws: DidNotHappen.self) { try client.answer() }
        #expect(try app.daemon.end() == 128 + SIGKILL)
        for worker in app.daemon.records("worker_started") { _ = worker.pid.map { kill($0, SIGKILL) } }

        let next = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1"], in: app.folder)
        try next.daemon.next("pool_ready")
        let entries = try next.ask("history").objects("entries")
        #expect(entries.map { $0["outcome"] as? String } == ["done", "unknown", "done"])
        try next.daemon.endsClean()
    }

    /// Nobody may wonder where a deploy has gone. One that is tried again and again does not push out the others.
    @Test func tellsOfRefusedReloads() throws {
        let folder = try TestFolder()
        try folder.write("config", "soak 0s\n")
        let app = try ControlledDaemon(
            Apps.readyShell, options: ["--workers", "1", "--config", "\(folder.path)/config"], in: folder)
        try app.daemon.next("pool_ready")
        try folder.write("config", "soak never\n")
        let end = try app.ask("reload")
        #expect(end.outcome == "refused")
        app.daemon.signal(SIGHUP)
        try app.daemon.next("reload_refused")
        try app.daemon.next("reload_refused")
        func entries() throws -> [[String: Any]] { try app.ask("history").objects("entries") }
        let refused = try #require(try entries().last)
        #expect(try entries().count == 2)
        #expect(refused["outcome"] as? String == "refused" && refused["generation"] is NSNull, "\(refused)")
        #expect(refused["reason"] as? String == end.string("reason"))
        #expect((refused["by"] as? [String: Any])?["signal"] as? String == "HUP")
        try folder.write("config", "soak\n")
        #expect(try app.ask("reload").outcome == "refused")
        #expect(try entries().count == 3)
        try folder.write("config", "")
        #expect(try app.ask("reload").outcome == "done")
        #expect(try entries().map { $0["outcome"] as? String } == ["done", "refused", "refused", "done"])
        try app.daemon.endsClean()

        let next = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1"], in: folder)
        try next.daemon.next("pool_ready")
        #expect(try next.ask("history").objects("entries").count == 5)
        let shown = try CommandRun.reloaderd(
            ["history"], environment: ChildProcess.plainEnvironment + ControlledDaemon.environment(of: folder))
        #expect(shown.output.split(separator: "\n").count { $0.hasPrefix("  -  ") } == 2, "\(shown.output)")
        try next.daemon.endsClean()
    }

    /// What could not be written is written with the next deploy, or at the end.
    @Test func whatCouldNotBeWrittenIsWrittenLater() throws {
        let folder = try TestFolder()
        let app = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1"], in: folder)
        try app.daemon.next("pool_ready")
        let state = "\(folder.path)/state"
        func lines() -> Int { folder.text(of: "state/app.history").split(separator: "\n").count }
        #expect(try app.ask("reload").outcome == "done")
        #expect(lines() == 2)
        for isLast in [false, true] {
            try FileManager.default.moveItem(atPath: state, toPath: state + "-away")
            #expect(try app.ask("reload").outcome == "done")
            #expect(try app.daemon.next("history_unavailable").message.contains("written with the next deploy"))
            try FileManager.default.moveItem(atPath: state + "-away", toPath: state)
            if isLast { continue }
            #expect(lines() == 2)
            #expect(try app.ask("reload").outcome == "done")
            #expect(lines() == 4)
        }
        #expect(lines() == 4)
        try app.daemon.endsClean()
        #expect(lines() == 5)
    }

    @Test func keepsTheLastOnes() throws {
        let folder = try TestFolder()
        let lines = (1...300).map { "{\"generation\":\($0),\"outcome\":\"done\"}\n" }.joined()
        try folder.write("state/app.history", "rubbish\n\u{0}\n[]\n{\"outcome\":1}\n" + lines + "{\"generation\":")
        let app = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1"], in: folder)
        try app.daemon.next("pool_ready")
        let entries = try app.ask("history").objects("entries")
        #expect(entries.count == 256)
        #expect(entries.suffix(2).map { $0["generation"] as? Int } == [300, 1])
        try app.daemon.endsClean()
        let kept = folder.text(of: "state/app.history").split(separator: "\n")
        #expect(kept.count == 256 && kept.last?.hasPrefix("{\"generation\":1,") == true)
    }

    @Test func aStartThatIsSupersededIsToldSo() throws {
        let app = try ControlledDaemon(
            Apps.shell("[ $RELOADERD_GENERATION = 1 ] || echo READY=1 >&$READY_FD; exec sleep 1000"),
            options: ["--workers", "1"])
        try app.daemon.next("worker_started")
        #expect(try app.ask("reload").outcome == "done")
        let entries = try app.ask("history").objects("entries")
        #expect(entries.map { $0["outcome"] as? String } == ["superseded", "done"])
        try app.daemon.endsClean()
    }
}
