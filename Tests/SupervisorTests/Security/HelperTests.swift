// What belongs to a worker is touched by a process that may be lost: neither a touch that never ends nor the end of
// that process stops the daemon, or costs others a request.
import Foundation
import Glibc
import Testing

@Suite(.enabled(if: Launcher.isRoot, "needs root, for pages that never come"))
struct HelperTests {
    /// `status` answers, others are reloaded and serve, and the daemon stops: with a page for which a process can be
    /// killed, and by nothing that outlives the worker.
    @Test(arguments: [HoldingWorker.Hold.bind, .send, .linger])
    func aTouchThatDoesNotEndStopsNobody(hold: HoldingWorker.Hold) throws {
        let port = try Network.freePort()
        let app = try Self.pool(hold, page: nil, port)
        try Self.provoke(hold, app, port)
        let descriptors = app.daemon.descriptorCount
        try Self.goOn(app, port)
        try app.daemon.drained()
        // Beside them the kept generation has two, slot 0 may have had no socket, and a client of ours may be leaving.
        // What is left of a helper would be three more for each.
        try Self.hasAtMost(descriptors + 4, app)
        if hold == .bind {
            #expect(app.daemon.records("helper_replaced").count == 2, "\(app.daemon.story)")
            #expect(app.daemon.records("ports_untouchable").map(\.slot) == [0], "\(app.daemon.story)")
        }
        try app.daemon.stop()
    }

    /// The same with pages of a file server that is dead: not even SIGKILL ends what waits for them.
    @Test(
        .enabled(if: StuckFiles.problem == nil, "needs /dev/fuse"),
        arguments: [HoldingWorker.Hold.bind, .send, .memory])
    func aTouchThatCannotBeKilledStopsNobody(hold: HoldingWorker.Hold) throws {
        let files = try StuckFiles()
        try files.hold(.read, .plain)
        let port = try Network.freePort()
        let app = try Self.pool(hold, page: files.path(of: .plain), port)
        try Self.provoke(hold, app, port)
        try Self.goOn(app, port)
        // Else nothing could ever end the worker.
        try files.fail()
        try app.daemon.stop()
    }

    /// A helper is killed or stopped while workers start, are replaced and drained: no request is lost.
    @Test func theEndOfTheHelperCostsNoRequest() throws {
        let load = try SharingLoad(.threaded, workers: 3)
        var random = SeededGenerator(seed: 12)
        for round in 0..<6 {
            load.daemon.signal(SIGHUP)
            for _ in 0..<3 {
                poll(nil, 0, Int32.random(in: 0...60, using: &random))
                if let helper = load.daemon.currentHelper { kill(helper, round == 3 ? SIGSTOP : SIGKILL) }
            }
            try load.daemon.next("reload_done")
        }
        let report = try load.finish()
        #expect(
            report.failed == 0 && report.clientErrors == 0,
            "\(report.columns) \(report.failures) \(load.daemon.story)")
        #expect(!load.daemon.records("helper_replaced").isEmpty)
        #expect(load.daemon.records("ports_untouchable").isEmpty, "\(load.daemon.story)")
        #expect(load.daemon.records("worker_failed").isEmpty, "\(load.daemon.story)")
    }

    /// It may look at workers and bind their ports, and nothing else.
    @Test func theHelperHasOnlyTheRightsThatItNeeds() throws {
        let load = try SharingLoad(.threaded, workers: 1)
        let helper = try load.daemon.helper()
        let status = try String(contentsOfFile: "/proc/\(helper)/status", encoding: .utf8)
        // CAP_DAC_READ_SEARCH, CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_SYS_PTRACE and CAP_BPF
        for line in ["CapEff:\t0000008000081404", "CapBnd:\t0000008000081404", "NoNewPrivs:\t1", "Seccomp:\t2"] {
            #expect(status.contains(line), "\(status)")
        }
        kill(helper, SIGTERM)
        kill(helper, SIGHUP)
        try load.reload()
        #expect(try load.daemon.helper() == helper)
        let view = try ProcessView(helper)
        _ = try load.finish()
        try view.waitForEnd()
    }

    // MARK: the pool

    private static func pool(_ hold: HoldingWorker.Hold, page: String?, _ port: Int) throws -> ControlledDaemon {
        let app = try ControlledDaemon(
            try HoldingWorker.words(hold, page: page, port: port),
            options: ["--workers", "3", "--ready", "message", "--drain-timeout", "1s", "--stop-timeout", "1s"])
        try app.daemon.next("pool_ready")
        // It has its helper then.
        _ = try app.ask("status")
        return app
    }

    /// What waits for the end of a worker is closed a moment after it.
    private static func hasAtMost(_ descriptors: Int, _ app: ControlledDaemon) throws {
        let patience = ContinuousClock.now + .milliseconds(ChildProcess.patienceMilliseconds)
        while app.daemon.descriptorCount > descriptors {
            guard ContinuousClock.now < patience else {
                throw DidNotHappen(description: "\(app.daemon.descriptorCount), before \(descriptors)")
            }
            _ = try app.ask("status")
        }
    }

    /// Connections until the worker that holds has its first.
    private static func provoke(_ hold: HoldingWorker.Hold, _ app: ControlledDaemon, _ port: Int) throws {
        var connections: [Int32] = []
        defer { for connection in connections { close(connection) } }
        while !app.daemon.otherLines.contains("holding") {
            if hold == .send || hold == .linger {
                let connection = Client.connected(.ipv4("127.0.0.1", port))
                if connection >= 0 { connections.append(connection) }
                _ = try app.ask("status")
                try app.daemon.lines(0, thatStartWith: "holding")
            }
            app.daemon.signal(DaemonUnderTest.barrier)
            try app.daemon.next("signal_ignored")
        }
    }

    /// While it holds, the daemon answers, reloads, and the others serve.
    private static func goOn(_ app: ControlledDaemon, _ port: Int) throws {
        for _ in 0..<3 { #expect(try app.ask("status").fields["slots"] != nil) }
        app.daemon.signal(SIGHUP)
        try app.daemon.next(of: ["reload_done", "reload_failed"]) { $0.event == "reload_done" }
        let client = try SharingLoad.client(port)
        for _ in 0..<3 { #expect(try app.ask("status").fields["slots"] != nil) }
        let report = try SharingLoad.report(of: client)
        #expect(report.failed == 0, "\(report.columns) \(report.failures) \(app.daemon.story)")
    }
}
