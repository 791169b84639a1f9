// What `status` and `list` say of a pool that people want to reach, and of one that fails.
import Foundation
import Testing

@Suite struct ControlPortTests {
    private func verb(_ words: [String], of app: ControlledDaemon) throws -> CommandRun {
        try CommandRun.reloaderd(
            words, environment: ChildProcess.plainEnvironment + ControlledDaemon.environment(of: app.folder))
    }

    enum Mode: String, CaseIterable { case listen, slot, shared, own, child }

    /// A port is shown, no matter which process has opened it.
    @Test(arguments: Mode.allCases)
    func portsAreShown(_ mode: Mode) throws {
        let port = try Network.freePort()
        let server = [Apps.python, "\(SharedProgram.folder)/threaded.py", "\(port)"]
        let address = "127.0.0.1:\(port)"
        let app: ControlledDaemon =
            switch mode {
            case .listen:
                try ControlledDaemon(Apps.readyShell, options: ["--workers", "2", "--listen", address])
            case .slot:
                try ControlledDaemon(
                    Apps.readyShell, options: ["--workers", "2", "--listen", address, "--balance", "slot"])
            case .shared: try ControlledDaemon(server, options: ["--workers", "2"])
            case .own: try ControlledDaemon(server, options: ["--workers", "1", "--no-share", "--ready", "1s"])
            // A wrapper that does not exec: the port is that of a child.
            case .child:
                try ControlledDaemon(
                    Apps.shell("trap 'kill $p' TERM; \(server.joined(separator: " ")) & p=$!; wait; wait"),
                    options: ["--workers", "1", "--no-share", "--ready", "1s"])
            }
        try app.daemon.next("pool_ready")
        if mode == .own || mode == .child { while Network.get(port) == nil {} }
        let listener = try #require(try app.ask("status").objects("listeners").first, "\(mode)")
        #expect(listener["address"] as? String == address)
        #expect(listener["queue"] as? Int == 0)
        let (kind, workers): (String, Int?) =
            switch mode {
            case .listen, .slot: ("listen", nil)
            case .shared: ("shared", 2)
            case .own, .child: ("own", 1)
            }
        #expect(listener["kind"] as? String == kind && listener["workers"] as? Int == workers, "\(listener)")
        for words in [["status"], ["status", "--json"], ["list"], ["list", "--json"]] {
            #expect(try verb(words, of: app).output.contains(address), "\(words)")
        }
        try app.daemon.endsClean()
    }

    /// Three of four: one slot has no worker that starts.
    @Test func aPoolWhoseSlotsFailIsFailing() throws {
        let app = try ControlledDaemon(
            Apps.shell("[ $RELOADERD_SLOT != 2 ] || exit 7; echo READY=1 >&$READY_FD; exec sleep 1000"),
            options: ["--workers", "4", "--backoff-cap", "300ms", "--no-share"])
        try app.daemon.ready(3)
        while app.daemon.records("worker_failed").count < 2 { try app.daemon.nextLine() }
        let status = try app.ask("status")
        let pool = status.object("pool")
        #expect(pool["phase"] as? String == "failing" && pool["ready"] as? Int == 3 && pool["workers"] as? Int == 4)
        let failing = pool["failing"] as? [String: Any] ?? [:]
        #expect(failing["slots"] as? Int == 1)
        #expect(failing["reason"] as? String == "slot 2: worker exited with status 7 before it was ready")
        let shown = try verb(["status", "--exit-code"], of: app)
        #expect(shown.status == 1)
        #expect(shown.output.hasPrefix("app  failing  3/4 ready  "))
        #expect(
            shown.flat.contains("failing 1 slot without a worker that serves; the last failure: slot 2: worker exited"))
        #expect(shown.output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(shown.output)")
        #expect(try verb(["list"], of: app).output.contains("failing    3/4"))
        try app.daemon.endsClean()
    }

    /// The same number as the one that --max-memory looks at: with what the worker has started.
    @Test func memoryIsThatOfTheTree() throws {
        let app = try ControlledDaemon(
            Apps.shell(
                "\(Apps.python) -c \"x = b'x' * (64 << 20); print('READY=1', flush=True); import time; "
                    + "time.sleep(1000)\" >&$READY_FD & trap 'kill $!' TERM; wait; wait"),
            options: ["--workers", "1", "--no-share", "--ready", "message"])
        try app.daemon.next("pool_ready")
        let status = try app.ask("status")
        #expect(status.object("pool")["memory_kind"] as? String == "pss")
        let worker = try #require(status.workers.first)
        #expect(worker["memory_bytes"] as? Int ?? 0 > 64 << 20, "\(worker)")
        #expect(worker["age_s"] as? Double ?? 0 > 0)
        try app.daemon.endsClean()
    }
}
