// Upgrades that can't be made: by what is wrong with the new program, and by what else is under way. Everything goes on
// as before, and that is said to who asked.
import Foundation
import Glibc
import Testing

@Suite struct UpgradeRefusalTests {
    /// A pool with one worker, which the program in the file is to take over.
    private func refused(_ program: (TestFolder) throws -> String, _ words: String) throws {
        let folder = try TestFolder()
        let app = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1"], in: folder)
        try app.daemon.next("pool_ready")
        let worker = app.daemon.records("worker_ready").first?.pid
        let path = try program(folder)
        let run = try CommandRun.reloaderd(["upgrade", "--control", app.path, path])
        #expect(run.status == 1 && run.errors.hasPrefix("reloaderd: upgrade "), "\(run)")
        #expect(run.errors.contains(words), "\(run.errors)")
        #expect(try app.daemon.next(of: ["upgrade_failed", "upgrade_refused"]).message.contains(words))
        // All that can be asked is answered as before, also another upgrade.
        #expect(try app.ask("status").workers.first?["pid"] as? Int == worker.map(Int.init))
        #expect(try app.ask("upgrade").outcome == "done")
        #expect(try app.ask("reload").outcome == "done")
        try app.daemon.endsClean()
        #expect(app.daemon.records("upgraded").count == 1 && app.daemon.records("worker_failed").isEmpty)
    }

    @Test func aMissingProgram() throws {
        try refused({ "\($0.path)/missing" }, "it cannot be executed: No such file or directory")
    }

    @Test func aFileThatIsNoProgram() throws {
        try refused({ try $0.write("text", "text") }, "it cannot be executed: Permission denied")
    }

    @Test func aProgramThatFails() throws {
        try refused({ try $0.writeProgram("new", "#!/bin/sh\necho 'no idea'; exit 1\n") }, ": no idea")
        try refused(
            { try $0.writeProgram("new", "#!/bin/sh\nkill -SEGV $$\n") },
            ": its trial run was killed by signal 11")
    }

    @Test func anotherProgram() throws {
        try refused({ _ in "/bin/true" }, "it is no reloaderd that can take over")
    }

    /// The daemon does its work meanwhile.
    @Test func aProgramThatHangs() throws {
        let folder = try TestFolder()
        let app = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1"], in: folder)
        try app.daemon.next("pool_ready")
        let program = try folder.writeProgram("new", "#!/bin/sh\nexec sleep 1000\n")
        let asker = try app.connect()
        try asker.send("upgrade", ["path": program])
        try app.daemon.next("upgrade_asked")
        #expect(try app.ask("reload").outcome == "done")
        let again = try app.ask("upgrade")
        #expect(again.outcome == "refused" && again.string("reason") == "another upgrade is under way")
        let answer = try asker.answer().end
        #expect(answer.string("reason") == "its trial run did not end within 10s", "\(answer)")
        #expect(try app.ask("upgrade").outcome == "done")
        try app.daemon.endsClean()
    }

    /// The trial went well, but then it can't: the old program is executed again, and says so to who asked.
    @Test func aProgramThatCannotGoOn() throws {
        let folder = try TestFolder()
        let daemon = try DaemonUnderTest(
            ["--name", "app", "--workers", "2"] + Apps.readyShell,
            environment: ChildProcess.plainEnvironment + ControlledDaemon.environment(of: folder)
                + ["RELOADERD_TEST_CANNOT_GO_ON=1"], control: nil)
        try daemon.next("pool_ready")
        let program = try folder.copyProgram("new", from: Products.reloaderd)
        let before = try ProcessView(daemon.pid).executable
        var descriptors = 0
        for round in 0..<3 {
            let answer = try ControlConversation(ControlledDaemon.path(in: folder)).ask("upgrade", ["path": program])
            #expect(answer.outcome == "failed")
            let reason = try #require(answer.string("reason"))
            #expect(reason.contains("could not go on: a test wants it so"), "\(reason)")
            // Until then it may not have seen that the client has gone.
            for _ in 0..<2 { try daemon.hearsAll() }
            if round == 0 { descriptors = daemon.descriptorCount }
        }
        #expect(daemon.descriptorCount == descriptors)
        #expect(try ProcessView(daemon.pid).executable == before)
        let name = try String(contentsOfFile: "/proc/\(daemon.pid)/comm", encoding: .utf8)
        #expect(name == "reloaderd\n")
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        try daemon.endsClean()
        #expect(daemon.records("upgrade_failed").count == 3 && daemon.records("worker_failed").isEmpty)
    }

    // MARK: what else is under way

    @Test func waitsForARoll() throws {
        let (app, gate) = try ControlledDaemon.withGate()
        let roll = try app.connect()
        try roll.send("reload")
        try app.daemon.next("reload_began")
        let urgent = try CommandRun.reloaderd(["upgrade", "--control", app.path, "--now"])
        #expect(urgent.status == 1)
        #expect(urgent.errors == "reloaderd: upgrade refused: the roll to generation 2 is under way\n")
        let asker = try app.connect()
        try asker.send("upgrade")
        let waits = try asker.event("upgrade_waits").string("msg")
        #expect(waits == "the upgrade waits: the roll to generation 2 is under way")
        gate.letPass()
        #expect(try roll.answer().end.outcome == "done")
        #expect(try asker.answer().end.outcome == "done")
        try app.daemon.endsClean()
        let log = app.daemon.log.map(\.event)
        let done = try #require(log.firstIndex(of: "reload_done"))
        #expect(done < (try #require(log.firstIndex(of: "upgraded"))))
    }

    /// A stop counts more.
    @Test func aStopWins() throws {
        let (app, _) = try ControlledDaemon.withGate()
        let roll = try app.connect()
        try roll.send("reload")
        try app.daemon.next("reload_began")
        let asker = try app.connect()
        try asker.send("upgrade")
        try asker.event("upgrade_waits")
        app.daemon.signal(SIGTERM)
        let answer = try asker.answer().end
        #expect(answer.outcome == "stopped", "\(answer)")
        #expect(try app.daemon.end() == 0)
        app.daemon.leavesNothing()
        #expect(app.daemon.records("upgraded").isEmpty)
    }

    /// Signals that come meanwhile are heard by one of the two.
    @Test func signalsAreKept() throws {
        let daemon = try DaemonUnderTest(["--workers", "1"] + Apps.readyShell)
        try daemon.next("pool_ready")
        for round in 0..<5 {
            daemon.signal(SIGUSR2)
            try daemon.next("upgrade_asked")
            // Somewhere between the trial run and the first turn of the new program.
            poll(nil, 0, Int32(round * 15))
            daemon.signal(SIGHUP)
            var isReloaded = false
            var isUpgraded = false
            while !isReloaded || !isUpgraded {
                let record = try daemon.next(of: ["reload_done", "upgraded"])
                if record.event == "upgraded" { isUpgraded = true } else { isReloaded = true }
            }
        }
        daemon.signal(SIGUSR2)
        try daemon.next("upgrade_asked")
        daemon.signal(SIGTERM)
        #expect(try daemon.end() == 0)
        daemon.leavesNothing()
    }

    @Test func whatIsNoPathIsRefused() throws {
        let run = try CommandRun.reloaderd(["upgrade", "app", "reloaderd"])
        #expect(run.status == 64)
        #expect(
            run.errors
                == "reloaderd: upgrade: 'reloaderd' is not a path: write ./reloaderd for a file of this directory\n")
        let app = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1"])
        try app.daemon.next("pool_ready")
        #expect(try app.ask("upgrade", ["path": "relative"]).code == "usage")
        #expect(try app.ask("upgrade", ["now": 1]).code == "usage")
        try app.daemon.endsClean()
    }
}
