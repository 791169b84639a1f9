// The daemon is unharmed by clients that are slow, many, gone, or talk nonsense.
import Foundation
import Testing

@Suite struct ControlLimitTests {
    private func startedApp(_ options: [String] = ["--workers", "1"]) throws -> ControlledDaemon {
        let app = try ControlledDaemon(Apps.readyShell, options: options)
        try app.daemon.next("pool_ready")
        return app
    }

    @Test func aClientKilledMidWait() throws {
        let (app, gate) = try ControlledDaemon.withGate()
        let code = """
            import socket, sys
            s = socket.socket(socket.AF_UNIX)
            s.connect(sys.argv[1])
            s.sendall(b'{"v":1,"verb":"reload"}\\n')
            for line in s.makefile(): print(line, end="", flush=True)
            """
        let client = try ChildProcess([Apps.python, "-ISc", code, app.path])
        #expect(try client.output.next()?.contains("reload_began") == true)
        client.signal(SIGKILL)
        try client.wait()
        gate.letPass()
        try app.daemon.next("reload_done")
        #expect(try app.ask("history").objects("entries").last?["outcome"] as? String == "done")
        try app.daemon.endsClean()
    }

    /// A client never reads while thousands of events flow.
    @Test func aFollowerThatDoesNotReadIsDropped() throws {
        let app = try startedApp()
        let slow = try app.connect()
        try slow.send("events", ["follow": true])
        #expect(try app.ask("status").isOK)  // a turn later: it follows
        let before = try memory(of: app.daemon.pid)
        for _ in 0..<50 {
            // Signals above 31 are queued, each is told; the queue has its own bound.
            for _ in 0..<100 { app.daemon.signal(DaemonUnderTest.barrier) }
            for _ in 0..<100 { try app.daemon.next("signal_ignored") }
        }
        #expect(try app.ask("status").isOK)
        #expect(try memory(of: app.daemon.pid) - before < 4 << 20)
        var lines = 0
        var last: ControlLine?
        while let line = try slow.next() {
            lines += 1
            last = line
        }
        #expect(last?.type == "error" && last?.code == "lagged")
        #expect(lines > 100 && lines < 5000)
        try app.daemon.endsClean()
    }

    @Test func aFollowerOfAFloodIsDroppedAndNobodyWaits() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let app = try ControlledDaemon(
            Apps.worker("ready", "gate", gate.path, "flood-err", "20000000", "err", "done", "wait"),
            options: ["--workers", "1"], in: folder)
        try app.daemon.next("pool_ready")
        let slow = try app.connect()
        try slow.send("logs", ["follow": true])
        #expect(try app.ask("status").isOK)  // a turn later: it follows
        gate.letPass()
        while app.daemon.otherLines.last != "done" { try app.daemon.nextLine() }
        #expect(try app.ask("status").isOK)
        var last: ControlLine?
        while let line = try slow.next() { last = line }
        #expect(last?.code == "lagged")
        #expect(try app.daemon.stop() == 0)
    }

    /// A client that asks for much and reads nothing gets no more answers until it reads.
    @Test func aClientThatAsksWithoutReading() throws {
        let app = try startedApp()
        let before = try memory(of: app.daemon.pid)
        let client = try app.connect()
        let requests = String(repeating: "{\"v\":1,\"verb\":\"events\"}\n", count: 2000)
        let sent = client.sendWhatFits(Array(requests.utf8)) / (requests.utf8.count / 2000)
        #expect(sent > 100)
        for _ in 0..<20 { #expect(try app.ask("status").isOK) }
        #expect(try memory(of: app.daemon.pid) - before < 4 << 20)
        // In the end each is answered.
        for _ in 0..<sent { #expect(try client.answer().end.isOK) }
        try app.daemon.endsClean()
    }

    /// It misses events, and not the result.
    @Test func aWaiterThatDoesNotReadIsToldTheEnd() throws {
        let failures = 2000
        let app = try startedApp(["--workers", "4", "--backoff-cap", "1ms"])
        let slow = try app.connect()
        try slow.send("reload", ["arguments": ["-c", "exit 3"], "surge": 4, "max_failures": failures])
        try app.daemon.next("reload_reverted")
        let (events, end) = try slow.answer()
        #expect(end.outcome == "failed", "\(end)")
        let told = events.count { $0.event == "worker_failed" }
        #expect(told > 100 && told < failures, "\(told)")
        #expect(events.first?.event == "reload_began")
        try app.daemon.endsClean()
    }

    /// Hundreds of clients ask for much and read nothing: together they have a bound as well, and it ends with them.
    @Test func whatWaitsForAllHasABound() throws {
        let folder = try TestFolder()
        // To a file: a pipe that nobody reads would hold up the workers whose lines are asked for.
        let app = try ControlledDaemon(
            Apps.shell(
                "i=0; while [ $((i += 1)) -le 64 ]; do printf '%0500d\\n' $i >&2; done; echo READY=1 >&$READY_FD; "
                    + "exec sleep 1000"),
            options: ["--workers", "12", "--output", "file:\(folder.path)/output"], in: folder)
        try app.daemon.next("pool_ready")
        var clients: [ControlConversation] = []
        var answer = try app.ask("status")
        // An answer has some 470 KB, of which a socket takes half, or less.
        while answer.isOK, clients.count < 490 {
            let client = try app.connect()
            try client.send("logs")
            clients.append(client)
            answer = try app.ask("status")
        }
        #expect(answer.type == "error" && answer.code == "busy", "\(answer)")
        #expect(answer.string("message")?.contains("try again later") == true)
        #expect(clients.count > 30)
        clients = []
        // The daemon may not have heard yet that they are gone.
        while answer.code == "busy" { answer = try app.ask("status") }
        try app.daemon.endsClean()
    }

    @Test func fiveHundredClientsAndNotOneMore() throws {
        let app = try startedApp()
        var clients = try (0..<500).map { _ in try app.connect() }
        for client in clients { try client.send("events", ["follow": true]) }
        for client in clients { try client.event("pool_ready") }
        let refused = try app.connect()
        let busy = try refused.line()
        #expect(busy.type == "error" && busy.code == "busy")
        #expect(try refused.next() == nil)
        app.daemon.signal(SIGHUP)
        for client in clients { try client.event("reload_done") }
        clients.removeFirst()
        #expect(try app.ask("status").isOK, "there is room again")
        clients = []
        try app.daemon.endsClean()
    }

    /// Clients for which there is no descriptor wait, and nothing spins meanwhile.
    @Test func clientsWaitForADescriptor() throws {
        let app = try ControlledDaemon(
            Apps.readyShell, options: ["--workers", "1"], under: ["prlimit", "--nofile=48:48"])
        try app.daemon.next("pool_ready")
        var clients = try (0..<60).map { _ in try app.connect() }
        try app.daemon.next("system_error") { $0.message.contains("Too many open files") }
        // The first client is in, and leaves room for another.
        while let client = clients.first {
            #expect(try client.ask("status").isOK)
            clients.removeFirst()
        }
        try app.daemon.endsClean()
        #expect(app.daemon.records("system_error").count <= 60)
    }

    @Test func aRequestHasABound() throws {
        let app = try startedApp()
        let client = try app.connect()
        // The longest request that is allowed, and then one more byte.
        let frame = "{\"v\":1,\"verb\":\"x\"}"
        client.sendLine(frame + String(repeating: " ", count: 65_536 - frame.utf8.count))
        #expect(try client.line().code == "usage")
        client.sendLine(frame + String(repeating: " ", count: 65_537 - frame.utf8.count))
        #expect(try client.line().code == "too_long")
        #expect(try client.next() == nil)
        let endless = try app.connect()
        endless.send([UInt8](repeating: UInt8(ascii: "x"), count: 65_537))
        #expect(try endless.line().code == "too_long")
        try app.daemon.endsClean()
    }

    @Test func whatIsWrongIsSaid() throws {
        let app = try startedApp()
        let client = try app.connect()
        for (request, code, message) in [
            ("", "usage", "not JSON"), ("nonsense", "usage", "not JSON at byte 0"),
            ("[]", "usage", "a request is an object"),
            ("{}", "usage", "needs the version"), ("{\"v\":2,\"verb\":\"status\"}", "version", "speaks version 1"),
            ("{\"v\":\"1\"}", "version", "speaks version 1"), ("{\"v\":1}", "usage", "needs a verb"),
            ("{\"v\":1,\"verb\":7}", "usage", "needs a verb"),
            ("{\"v\":1,\"verb\":\"fly\"}", "usage", "no such verb: 'fly'"),
            ("{\"v\":1,\"verb\":\"status\",\"x\":1}", "usage", "status: no such argument: 'x'"),
            ("{\"v\":1,\"v\":1,\"verb\":\"status\"}", "usage", "an object has two members"),
            ("{\"v\":1,\"verb\":\"reload\",\"wait\":1}", "usage", "reload: wait must be true or false"),
            ("{\"v\":1,\"verb\":\"reload\",\"soak_s\":-1}", "usage", "reload: soak_s must be a number of seconds"),
            ("{\"v\":1,\"verb\":\"reload\",\"surge\":1.5}", "usage", "reload: surge must be a whole number"),
            ("{\"v\":1,\"verb\":\"reload\",\"arguments\":[1]}", "usage", "reload: arguments must be a list of strings"),
            ("{\"v\":1,\"verb\":\"reload\",\"arguments\":[\"\\u0000\"]}", "usage", "without NUL"),
            ("{\"v\":1,\"verb\":\"reload\",\"canary_time_s\":1}", "usage", "canary_time_s needs canary"),
            ("{\"v\":1,\"verb\":\"restart\"}", "usage", "restart: give a slot"),
            ("{\"v\":1,\"verb\":\"restart\",\"slot\":9}", "refused", "there is no slot 9"),
            ("{\"v\":1,\"verb\":\"promote\"}", "refused", "no canary is waiting"),
            ("{\"v\":1,\"verb\":\"rollback\"}", "refused", "no earlier generation is kept"),
            ("{\"v\":1,\"verb\":\"rollback\",\"generation\":7}", "refused", "generation 7 is not kept"),
            ("{\"v\":1,\"verb\":\"history\",\"limit\":0}", "usage", "history: limit must be"),
            ("{\"v\":1,\"verb\":\"logs\",\"slot\":-1}", "usage", "logs: slot must be"),
        ] {
            client.sendLine(request)
            let answer = try client.line()
            #expect(answer.type == "error" && answer.code == code, "\(request): \(answer)")
            #expect(answer.string("message")?.contains(message) == true, "\(request): \(answer)")
        }
        #expect(try client.ask("status").isOK)
        try app.daemon.endsClean()
    }

    /// No answer is lost, and none comes before its turn.
    @Test func requestsInOnePieceAreAnsweredInOrder() throws {
        let app = try startedApp()
        let client = try app.connect()
        client.sendLine((0..<50).map { "{\"v\":1,\"verb\":\"v\($0)\"}" }.joined(separator: "\n"))
        for number in 0..<50 { #expect(try client.line().string("message")?.hasSuffix("'v\(number)'") == true) }
        // A reload that is waited for holds up what comes after it.
        client.sendLine("{\"v\":1,\"verb\":\"reload\"}\n{\"v\":1,\"verb\":\"scale\",\"to\":2}")
        #expect(try client.answer().end.outcome == "done")
        #expect(try client.answer().end.number("workers") == 2)
        // A client that says that nothing more will come is answered all the same.
        try client.send("reload")
        client.finish()
        #expect(try client.answer().end.outcome == "done")
        #expect(try client.next() == nil)
        try app.daemon.endsClean()
    }

    private func memory(of pid: Int32) throws -> Int {
        let fields = try String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8).split(separator: " ")
        return try #require(Int(fields[1])) * 4096
    }
}
