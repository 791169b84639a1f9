// What workers write gets out as --output says, whatever they write, and whether anything reads it or not.
import Foundation
import Testing

@testable import Supervisor

@Suite struct OutputModeTests {
    /// Both streams to the daemon's own, line by line, with slot and PID; what has no newline at the end gets one.
    @Test func prefixTagsWholeLines() throws {
        let daemon = try DaemonUnderTest(
            ["-w", "2", "--output", "prefix"]
                + Apps.shell(
                    "echo out; echo err >&2; echo READY=1 >&$READY_FD; printf 'an e'; printf 'nd'; printf last >&2; "
                        + "read x"
                ))
        let pids = try (0..<2).map { _ in try #require(daemon.next("worker_failed").pid) }
        daemon.signal(15)
        let out = try daemon.process.output.rest()
        try daemon.end()
        for (slot, pid) in daemon.records("worker_failed").prefix(2).map({ ($0.slot ?? -1, $0.pid ?? -1) }) {
            let tag = "[slot \(slot) pid \(pid)] "
            #expect(pids.contains(pid))
            #expect(out.filter { $0.hasPrefix(tag) } == [tag + "out", tag + "an end"])
            #expect(daemon.otherLines.filter { $0.hasPrefix(tag) } == [tag + "err", tag + "last"])
        }
    }

    @Test func aWorkerHasItsOwnDescriptorsOnly() throws {
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--output", "prefix"]
                + Apps.shell("ls /proc/self/fd; echo READY=1 >&$READY_FD; exec sleep 1000"))
        try daemon.next("pool_ready")
        // 3 is the ready pipe, 4 the directory that is being read.
        let lines = try (0..<5).map { _ in try daemon.process.output.next()?.last.map(String.init) }
        #expect(lines == ["0", "1", "2", "3", "4"])
        try daemon.endsClean()
    }

    /// With 2>&1 both ways out are one, and lines of neither are torn.
    @Test func prefixKeepsLinesWholeInOnePipe() throws {
        let count = 4000
        let daemon = try ChildProcess(
            [
                "/bin/sh", "-c", "exec \"$@\" 2>&1", "sh", Products.reloaderd, "--control", "none", "-w", "2",
                "--output", "prefix",
                "--log-format", "json",
            ]
                + Apps.shell(
                    "echo READY=1 >&$READY_FD; (seq -f 'o%.0f.' \(count)) & seq -f 'e%.0f.' \(count) >&2; wait; "
                        + "sleep 1000"
                ))
        var last: [String: Int] = [:]
        while last.count < 4 || last.values.contains(where: { $0 < count }) {
            let line = try #require(try daemon.output.next())
            if LogLine(line) != nil { continue }
            let match = try #require(line.wholeMatch(of: /(\[slot \d pid \d+\] [oe])(\d+)\./), "\(line)")
            let number = try #require(Int(match.2))
            #expect(number == last[String(match.1), default: 0] + 1)
            last[String(match.1)] = number
        }
        daemon.signal(15)
        _ = try daemon.output.rest()
        #expect(try daemon.wait() == 0)
    }

    @Test func aFileGetsTheLinesOfBoth() throws {
        let folder = try TestFolder()
        let path = try folder.write("a log", "before\n")
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--output", "file:\(path)", "--give-up", "1/1m"]
                + Apps.shell("echo out; for i in $(seq 100); do echo e$i >&2; done; printf unfinished; exit 3"))
        #expect(try daemon.end() == 1)
        let lines = folder.text(of: "a log").split(separator: "\n").map(String.init)
        #expect(lines.first == "before")
        #expect(lines.filter { $0 == "out" || $0 == "unfinished" } == ["out", "unfinished"])
        #expect(lines.filter { $0.hasPrefix("e") } == (1...100).map { "e\($0)" })
        #expect(lines.count == 103)
        // The dead worker's last words are there, though they went elsewhere.
        #expect(
            daemon.records("worker_said").map { $0.message } == (1...16).map { "e\($0)" } + [KeptLines.gap]
                + (69...100).map { "e\($0)" })
        #expect(daemon.otherLines.isEmpty)
        #expect(try daemon.process.output.rest().isEmpty)
    }

    @Test(arguments: ["/nonexistent/log", "/"])
    func aFileThatCannotBeOpenedEndsTheStart(_ path: String) throws {
        let folder = try TestFolder()
        let run = try CommandRun.reloaderd([
            "--output", "file:\(path)", "--listen", "unix:\(folder.path)/s", "/usr/bin/touch", "\(folder.path)/started",
        ])
        #expect(run.status == 1)
        #expect(run.errorLines.count == 1)
        #expect(run.errors.hasPrefix("reloaderd: cannot open \(path) for workers' output: "), "\(run.errors)")
        #expect(!folder.contains("started") && !folder.contains("s"))
    }

    @Test func usr1OpensTheFileAnew() throws {
        let folder = try TestFolder()
        let path = "\(folder.path)/log"
        let gate = try Gate(in: folder)
        let fifo = try Fifo(in: folder)
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--output", "file:\(path)"]
                + Apps.shell(
                    "echo before; echo err >&2; echo READY=1 >&$READY_FD; read x <\(gate.path); echo after; "
                        + "echo >\(fifo.path); sleep 1000"
                ))
        // Follows the path, also when another file has taken it.
        let tail = try ChildProcess(["tail", "-n", "+1", "-F", path])
        #expect(try Set([tail.output.next(), tail.output.next()]) == ["before", "err"])
        rename(path, "\(path).1")
        daemon.signal(SIGUSR1)
        let told = try daemon.next("logs_reopened")
        #expect(told.text("file") == path)
        gate.letPass()
        #expect(try tail.output.next() == "after")
        #expect(folder.text(of: "log") == "after\n")
        #expect(folder.text(of: "log.1").split(separator: "\n").count == 2)
        try daemon.endsClean()
        tail.signal(SIGTERM)
        try tail.wait()
    }

    /// A full disk is told once, and the loss counted to the byte; nothing waits for it.
    @Test func aFullDiskIsToldOnce() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        try folder.link("log", to: "/dev/full")
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--output", "file:\(folder.path)/log"]
                + Apps.shell(
                    "yes 123456789 | head -n 100000; echo READY=1 >&$READY_FD; read x <\(gate.path); echo after; "
                        + "kill $$"
                ))
        try daemon.next("worker_ready")
        try folder.link("log", to: "there")
        daemon.signal(SIGUSR1)
        let lost = try daemon.next("output_lost")
        #expect(lost.number("bytes") == 1_000_000)
        #expect(daemon.records("output_failed").map { $0.message.contains("No space left on device") } == [true])
        gate.letPass()
        try daemon.next("worker_failed")
        #expect(folder.text(of: "there") == "after\n")
        daemon.signal(SIGQUIT)
        #expect(try daemon.end() == 0)
    }

    /// A full pipe: what workers write waits where it is, everything else goes on, and nothing is lost in the end.
    @Test func aBlockedStandardOutputHoldsUpWritersOnly() throws {
        let count = 60_000
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--output", "prefix"]
                + Apps.shell(
                    "echo READY=1 >&$READY_FD; [ $RELOADERD_SLOT = 1 ] || seq \(count); echo end >&2; exec sleep 1000"))
        try daemon.next("pool_ready")
        // A second worker, by whose words standard error is seen to work; it can't be the first that has come to its
        // end.
        daemon.signal(SIGTTIN)
        try daemon.next("worker_ready") { $0.slot == 1 }
        while daemon.otherLines.isEmpty { try daemon.nextLine() }
        #expect(daemon.otherLines.first?.hasPrefix("[slot 1 ") == true)
        for number in 1...count {
            let line = try #require(try daemon.process.output.next())
            if !line.hasSuffix("] \(number)") { Issue.record("\(line) instead of \(number)") }
        }
        while daemon.otherLines.count < 2 { try daemon.nextLine() }
        try daemon.endsClean()
    }

    /// Standard output is a full pipe, and what workers leave in theirs when they end is more than is kept.
    @Test func whatTheDeadLeaveIsDroppedAndCounted() throws {
        let script = """
            import os, signal
            os.set_blocking(1, False)
            try:
                while True: os.write(1, b"123456789\\n" * 100)
            except BlockingIOError: os.write(int(os.environ["READY_FD"]), b"READY=1\\n")
            signal.pause()
            """
        let daemon = try DaemonUnderTest(["-w", "12", Apps.python, "-IS", "-c", script])
        try daemon.next("pool_ready")
        daemon.signal(SIGQUIT)
        // Each has some 64 KiB in its pipe, and 256 KiB of all that are kept, but for the last read that did not fit.
        let dropped = try daemon.next("output_dropped")
        #expect(dropped.number("lines") > 0 && dropped.level == "warning")
        #expect(Int(dropped.number("lines")) * 10 <= 12 * 65_536 - OutputSink.waitingBytesMax + 65_536)
        #expect(try daemon.end() == 0)
        daemon.leavesNothing()
    }

    /// Nobody reads the log: the daemon goes on deciding, and counts what it had to drop.
    @Test func aBlockedLogIsDroppedAndCounted() throws {
        let app = try ControlledDaemon(Apps.readyShell, options: ["-w", "1"])
        let daemon = app.daemon
        try daemon.next("pool_ready")
        let count = 4000
        for _ in 0..<count { daemon.signal(DaemonUnderTest.barrier) }
        // The answer comes after all signals were heard, and shows that the log holds nothing up.
        #expect(try app.ask("status").isOK)
        let dropped = try daemon.next("log_dropped").number("lines")
        let told = daemon.records("signal_ignored").count
        #expect(dropped > 0 && told < count)
        #expect(told + Int(dropped) >= count)
        try daemon.endsClean()
    }

    /// The terminal is stopped by control-S, and goes on after control-Q.
    @Test func aStoppedTerminalHoldsUpNobody() throws {
        let folder = try TestFolder()
        let fifo = try Fifo(in: folder)
        let terminal = try ChildProcess(
            [
                Apps.python, "-IS", "\(Products.tests)/Programs/terminal.py", Products.reloaderd, "--control", "none",
                "-w", "1", "--output",
                "prefix",
            ]
                + Apps.shell(
                    "echo generation $RELOADERD_GENERATION >&2; echo $RELOADERD_GENERATION >\(fifo.path); "
                        + "echo READY=1 >&$READY_FD; exec sleep 1000"
                ))
        let daemon = try ProcessView(try #require(try terminal.output.next().flatMap { Int32($0) }))
        #expect(try fifo.lines.next() == "1")
        kill(daemon.pid, SIGHUP)
        #expect(try fifo.lines.next() == "2")
        terminal.writeLine()
        var expected: Set = ["is up: 1 of 1 worker", "reload done: all slots", "] generation 1", "] generation 2"]
        while !expected.isEmpty {
            let line = try #require(try terminal.output.next(), "without \(expected)")
            expected = expected.filter { !line.contains($0) }
        }
        kill(daemon.pid, SIGTERM)
        _ = try terminal.output.rest()
        #expect(try terminal.wait() == 0)
    }

    /// Its reader is slower than they write: a worker with one line to say says it after one turn of each.
    @Test(arguments: ["relay", "prefix"])
    func floodsDoNotSilenceOthers(_ output: String) throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let daemon = try DaemonUnderTest(
            ["-w", "5", "--output", output]
                + Apps.shell(
                    """
                    echo READY=1 >&$READY_FD
                    [ $RELOADERD_SLOT = 2 ] || exec yes $(printf %01000d 0) >&2
                    read x <\(gate.path); echo one word >&2; exec sleep 1000
                    """))
        try daemon.next("pool_ready")
        // The floods have filled all there is.
        while daemon.otherLines.count < 2000 { try daemon.nextLine() }
        gate.letPass()
        let before = daemon.otherLines.count
        while daemon.otherLines.last?.hasSuffix("one word") != true { try daemon.nextLine() }
        // Two pipes and a turn or two of each of four floods, in lines of 1 KB; without turns it would not come at all.
        #expect(daemon.otherLines.count - before < 4000)
        daemon.signal(SIGQUIT)
        try daemon.end()
    }
}
