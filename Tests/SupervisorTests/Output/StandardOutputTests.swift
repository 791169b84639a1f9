// Workers' standard output takes the same road as their standard error: through the daemon, to its own.
import Foundation
import Testing

@testable import Supervisor

@Suite struct StandardOutputTests {
    /// A server that says on standard output whom it answers, before it does.
    private static let printing = """
        import os, select, signal, socket, sys
        stop, stopped = os.pipe()
        signal.signal(signal.SIGTERM, lambda *_: os.write(stopped, b"x"))
        listener = socket.socket(fileno=3)
        listener.setblocking(False)
        if len(sys.argv) > 1: print("up", file=open(sys.argv[1], "a"))
        os.write(int(os.environ["READY_FD"]), b"READY=1\\n")
        while stop not in select.select([listener, stop], [], [])[0]:
            try: connection, _ = listener.accept()
            except BlockingIOError: continue
            connection.setblocking(True)
            connection.recv(65536)
            os.write(1, b"a request\\n" * 20)
            body = f"slot=0 generation={os.environ['RELOADERD_GENERATION']} \\n".encode()
            head = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n" % len(body)
            connection.sendall(head + body)
            connection.close()
        """

    private static func server(_ port: Int, _ options: [String] = []) -> [String] {
        ["--listen", "127.0.0.1:\(port)", "--workers", "1"] + options + [Apps.python, "-IS", "-c", printing]
    }

    /// Two at the same time: every byte arrives, in order, and no line is torn.
    @Test func itArrivesByteForByte() throws {
        let lines = 20_000
        let daemon = try DaemonUnderTest(
            ["-w", "2"]
                + Apps.shell("seq -f \"$RELOADERD_SLOT:%.0f.\" \(lines); echo READY=1 >&$READY_FD; exec sleep 1000"))
        var numbers: [Character: Int] = [:]
        while numbers.count < 2 || numbers.values.contains(where: { $0 < lines }) {
            let line = try #require(try daemon.process.output.next())
            let slot = try #require(line.first)
            let next = numbers[slot, default: 0] + 1
            if line != "\(slot):\(next)." { Issue.record("\(line) instead of \(next)") }
            numbers[slot] = next
        }
        #expect(daemon.otherLines.isEmpty)
        try daemon.endsClean()
    }

    /// It is a pipe to the daemon, and no longer what the daemon was given.
    @Test func theWorkersOwnIsAPipe() throws {
        let daemon = try DaemonUnderTest(
            ["-w", "1"] + Apps.shell("readlink /proc/$$/fd/1; echo READY=1 >&$READY_FD; exec sleep 1000"))
        let path = try #require(try daemon.process.output.next())
        #expect(path.hasPrefix("pipe:"))
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(daemon.pid)/fd/1") != path)
        try daemon.endsClean()
    }

    /// Nobody reads standard output any more, and a server that writes there with each request answers them all.
    @Test func aReaderThatIsGoneCostsNoRequest() throws {
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            Self.server(port),
            under: ["/bin/bash", "-c", "exec \"$@\" > >(head -n 1 >/dev/null)", "bash"])
        try daemon.next("pool_ready")
        let client = try SteadyClient(port)
        let failed = try daemon.next("output_failed")
        #expect(failed.text("to") == "standard output" && failed.message.contains("Broken pipe"))
        daemon.signal(SIGHUP)
        try client.waitForGeneration(2)
        #expect(client.finish().failures == [])
        daemon.signal(SIGTERM)
        #expect(try daemon.end() == 0)
        #expect(daemon.records("output_failed").count == 1)
        // All but what was still on its way, which is the last to be counted.
        let lost = daemon.records("output_lost").reduce(0) { $0 + Int($1.number("bytes")) }
        #expect(lost > 0 && lost % "a request\n".utf8.count == 0)
    }

    /// The same if both are one, and the daemon has nowhere to say it but to those who ask.
    @Test func aLogWithoutAReaderCostsNoRequest() throws {
        let port = try Network.freePort()
        let folder = try TestFolder()
        let fifo = try Fifo(in: folder)
        let app = try ControlledDaemon(
            [Apps.python, "-IS", "-c", Self.printing, fifo.path],
            options: ["--listen", "127.0.0.1:\(port)", "--workers", "1"],
            in: folder, under: ["/bin/bash", "-c", "exec \"$@\" > >(head -n 1 >/dev/null) 2>&1", "bash"])
        // Its socket is there before its first worker.
        #expect(try fifo.lines.next() == "up")
        let watcher = try app.connect()
        try watcher.send("events", ["follow": true])
        try watcher.event("pool_ready")
        let client = try SteadyClient(port)
        app.daemon.signal(SIGHUP)
        try client.waitForGeneration(2)
        #expect(client.finish().failures == [])
        let asker = try app.connect()
        try asker.send("events")
        #expect(try asker.answer().events.contains { $0.event == "output_failed" })
        #expect(try app.daemon.stop() == 0)
    }

    /// Rotation: both files, and what workers write follows.
    @Test func usr1OpensBothFilesAnew() throws {
        let folder = try TestFolder()
        let (out, err) = ("\(folder.path)/out", "\(folder.path)/err")
        let gate = try Gate(in: folder)
        let fifo = try Fifo(in: folder)
        let daemon = try ChildProcess(
            [
                "/bin/sh", "-c", "exec \"$@\" >>\(out) 2>>\(err)", "sh", Products.reloaderd, "--control", "none", "-w",
                "1",
            ]
                + Apps.shell(
                    "echo one; echo READY=1 >&$READY_FD; echo >\(fifo.path); read x <\(gate.path); echo two; "
                        + "exec sleep 1000"
                ))
        _ = try fifo.lines.next()
        let before = try ChildProcess(["tail", "-n", "+1", "-F", err])
        while let line = try before.output.next(), !line.contains("pool_ready") {}
        rename(out, "\(out).1")
        rename(err, "\(err).1")
        let after = try ChildProcess(["tail", "-n", "+1", "-F", out])
        daemon.signal(SIGUSR1)
        while let line = try before.output.next(), !line.contains("logs_reopened") {}
        gate.letPass()
        #expect(try after.output.next() == "two")
        #expect(folder.text(of: "out.1") == "one\n" && folder.text(of: "out") == "two\n")
        #expect(folder.text(of: "err").contains("logs_reopened"))
        daemon.signal(SIGTERM)
        #expect(try daemon.wait() == 0)
        for tail in [before, after] {
            tail.signal(SIGTERM)
            try tail.wait()
        }
    }

    /// A flood that nobody reads slows its worker; the log, the others, and reloads go on.
    @Test func aFloodThatNobodyReadsHoldsUpNobody() throws {
        let daemon = try DaemonUnderTest(
            ["-w", "2", "--stop-timeout", "1s"]
                + Apps.shell("echo READY=1 >&$READY_FD; [ $RELOADERD_SLOT = 1 ] || exec yes; exec sleep 1000"))
        try daemon.next("pool_ready")
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        daemon.signal(SIGQUIT)
        #expect(try daemon.end() == 0)
        #expect(daemon.otherLines.isEmpty)
    }

    /// Both streams with times and names, by their arrival, also for those who follow.
    @Test func logsHaveBothStreams() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let app = try ControlledDaemon(
            Apps.shell(
                "echo out; read x <\(gate.path); echo err >&2; read x <\(gate.path); echo READY=1 >&$READY_FD; "
                    + "echo more; exec sleep 1000"
            ), options: ["-w", "1", "--no-share"], in: folder)
        try app.daemon.next("worker_started")
        let follower = try app.connect()
        try follower.send("logs", ["follow": true])
        var events = [try follower.event("line")]
        gate.letPass()
        events.append(try follower.event("line"))
        gate.letPass()
        events.append(try follower.event("line"))
        #expect(events.map { $0.string("line") } == ["out", "err", "more"])
        #expect(events.map { $0.string("stream") } == ["stdout", "stderr", "stdout"])
        let lines = try app.ask("logs").objects("lines")
        #expect(lines.map { $0["line"] as? String } == ["out", "err", "more"])
        #expect(lines.map { $0["stream"] as? String } == ["stdout", "stderr", "stdout"])
        let times = lines.compactMap { $0["time"] as? String }
        #expect(times == events.compactMap { $0.string("time") })
        #expect(times.count == 3 && times == times.sorted() && times.allSatisfy { $0.hasSuffix("Z") })
        let text = try CommandRun.reloaderd(
            ["logs", "--long"], environment: ["PATH=/usr/bin:/bin"] + ControlledDaemon.environment(of: folder)
        ).output.split(separator: "\n")
        let shape = #/\d{4}-\d\d-\d\d \S+ slot 0 generation 1 pid \d+ std(out|err) \| \w+/#
        #expect(text.count == 3 && text.allSatisfy { $0.wholeMatch(of: shape) != nil }, "\(text)")
        #expect(try app.daemon.stop() == 0)
    }

    /// What the manual says of a daemon that is killed: workers serve on until they print.
    @Test func aKilledDaemonCostsThoseThatPrint() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let fifo = try Fifo(in: folder)
        let daemon = try DaemonUnderTest(
            ["-w", "2", "--no-share", "--ready", "message"]
                + Apps.shell(
                    """
                    echo READY=1 >&$READY_FD; read x <\(gate.path)
                    [ $RELOADERD_SLOT = 0 ] && echo hello
                    echo slot $RELOADERD_SLOT serves >\(fifo.path)
                    """))
        try daemon.next("pool_ready")
        let workers = try daemon.records("worker_ready").map { try ProcessView(try #require($0.pid)) }
        daemon.signal(SIGKILL)
        try daemon.process.wait()
        gate.letPass(2)
        for worker in workers { try worker.waitForEnd() }
        #expect(try fifo.lines.next() == "slot 1 serves")
    }
}
