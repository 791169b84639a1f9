// Verbs that steer a roll or replace a worker, asked of a real daemon.
import Foundation
import Testing

@Suite struct ControlRollTests {
    /// Ready at once; dies on the usual signal.
    private static let app = Apps.shell("echo READY=1 >&$READY_FD; exec sleep 1000")

    private func started(_ options: String...) throws -> ControlledDaemon {
        let app = try ControlledDaemon(Self.app, options: options)
        try app.daemon.next("pool_ready")
        return app
    }

    /// Three workers, the first of them on trial, and the client that waits for the end of this reload.
    private func withCanary() throws -> (ControlledDaemon, ControlConversation) {
        let app = try started("--workers", "3")
        let reload = try app.connect()
        try reload.send("reload", ["canary": 1])
        try app.daemon.next("canary_waits")
        return (app, reload)
    }

    private func generations(of app: ControlledDaemon) throws -> [Int] {
        try app.ask("status").objects("slots").compactMap { $0["generation"] as? Int }
    }

    @Test func aCanaryWaitsAndIsPromoted() throws {
        let (app, reload) = try withCanary()
        #expect(try generations(of: app) == [2, 1, 1])
        #expect(try app.ask("status").object("roll")["waiting_for"] as? String == "promote")
        #expect(try app.ask("promote").isOK)
        #expect(try reload.answer().end.outcome == "done")
        #expect(try generations(of: app) == [2, 2, 2])
        try app.daemon.endsClean()
    }

    @Test func aCanaryThatDiesRevertsAll() throws {
        let (app, reload) = try withCanary()
        let canary = try #require(app.daemon.records("worker_ready").last { $0.generation == 2 }?.pid)
        kill(canary, SIGKILL)
        let end = try reload.answer().end
        #expect(end.outcome == "failed" && end.string("signal") == "KILL", "\(end)")
        #expect(try generations(of: app) == [1, 1, 1])
        try app.daemon.endsClean()
    }

    @Test func aRollbackBringsTheEarlierGenerationBack() throws {
        let app = try started("--workers", "2")
        #expect(try app.ask("reload").outcome == "done")
        let back = try app.ask("rollback")
        #expect(back.outcome == "done" && back.number("generation") == 1, "\(back)")
        #expect(try generations(of: app) == [1, 1])
        #expect(try app.ask("rollback", ["generation": 2]).outcome == "done")
        #expect(try generations(of: app) == [2, 2])
        try app.daemon.endsClean()
    }

    /// Both lead to the same generation, and are two deploys all the same: each of those who wait hears of their own.
    @Test func aRollbackThatIsAskedForAgainTakesOverFromTheFirst() throws {
        let app = try started("--workers", "2")
        #expect(try app.ask("reload").outcome == "done")
        #expect(try app.ask("pause").isOK)
        let first = try app.connect()
        try first.send("rollback")
        try app.daemon.next("reload_began") { $0.generation == 1 }
        let second = try app.connect()
        try second.send("rollback", ["generation": 1])
        #expect(try first.answer().end.outcome == "superseded")
        #expect(try app.ask("resume").isOK)
        let (events, end) = try second.answer()
        #expect(end.outcome == "done" && end.number("generation") == 1, "\(end)")
        #expect(events.first?.event == "reload_began", "\(events)")
        #expect(!events.contains { $0.event == "reload_superseded" }, "\(events)")
        let rollbacks = try app.ask("history").objects("entries").filter { $0["what"] as? String == "rollback" }
        #expect(rollbacks.map { $0["outcome"] as? String } == ["superseded", "done"])
        for entry in rollbacks { #expect((entry["by"] as? [String: Any])?["pid"] as? Int == Int(getpid()), "\(entry)") }
        try app.daemon.endsClean()
    }

    /// One that is refused, and one that is not waited for, leave nobody waiting.
    @Test func aRollbackThatIsRefusedOrNotWaitedForIsAnsweredAtOnce() throws {
        let app = try started("--workers", "2")
        let client = try app.connect()
        try client.send("rollback")
        #expect(try client.answer().end.code == "refused")
        try client.send("reload")
        #expect(try client.answer().end.outcome == "done")
        try client.send("rollback", ["wait": false])
        let begun = try client.answer().end
        #expect(begun.outcome == "begun" && begun.number("generation") == 1, "\(begun)")
        try app.daemon.next("reload_done") { $0.generation == 1 }
        try client.send("status")
        #expect(try client.answer().end.isOK)
        try app.daemon.endsClean()
    }

    @Test func aRestartReplacesOneWorker() throws {
        let app = try started("--workers", "2")
        let before = app.daemon.records("worker_ready").last { $0.slot == 1 }?.pid
        let client = try app.connect()
        try client.send("restart", ["slot": 1])
        let (events, end) = try client.answer()
        #expect(events.isEmpty && end.outcome == "done" && end.number("generation") == 1, "\(events) \(end)")
        let gone = try app.daemon.next("worker_exited")
        #expect(gone.slot == 1 && gone.pid == before)
        #expect(app.daemon.records("worker_ready").last?.slot == 1)
        try app.daemon.endsClean()
    }

    @Test func aPauseHoldsARollUntilItIsResumed() throws {
        let app = try started("--workers", "2")
        #expect(try app.ask("pause").isOK)
        #expect(try app.ask("status").object("pool")["phase"] as? String == "paused")
        #expect(try app.ask("reload", ["wait": false]).outcome == "begun")
        #expect(try generations(of: app) == [1, 1])
        #expect(try app.ask("resume").isOK)
        try app.daemon.next("reload_done")
        #expect(try generations(of: app) == [2, 2])
        try app.daemon.endsClean()
    }
}
