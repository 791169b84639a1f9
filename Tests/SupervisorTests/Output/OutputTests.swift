// What workers write and the daemon's own log share one end: what arrives there, and what happens when nobody reads it.
import Foundation
import Testing

@Suite struct OutputTests {
    /// Two at the same time, with the daemon's records among them: every byte arrives, in order, and no line is torn.
    @Test func whatWorkersWriteArrivesByteForByte() throws {
        let lines = 20_000
        let daemon = try DaemonUnderTest(
            ["--workers", "2"] + Apps.worker("ready", "number-err", "\(lines)", "err", "done", "term-exit", "0", "wait")
        )
        var done = 0
        while done < 2 { if try daemon.nextLine() == "done" { done += 1 } }
        try daemon.endsClean()
        for slot in 0...1 {
            let numbers = daemon.otherLines.filter { $0.hasPrefix("\(slot):") }
            #expect(numbers == (0..<lines).map { "\(slot):\($0)" })
        }
        #expect(daemon.otherLines.count == 2 * lines + 2)
        #expect(daemon.records("worker_exited").count == 2)
    }

    @Test func aFloodWithoutEndHoldsUpNobody() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "2"] + Apps.worker("ready", "if-slot", "1", "flood-err", "1000000000000", "end", "wait"))
        try daemon.next("pool_ready")
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        try daemon.endsClean()
        let flood = String(repeating: "x", count: 79)
        // A flooder's last line ends where the signal met it; what the daemon says begins a line of its own all the
        // same.
        #expect(daemon.otherLines.filter { $0 != flood }.count <= 2)
        #expect(daemon.records("worker_exited").count == 4)
    }

    /// A line that was never finished is written at the end, and what follows begins a line of its own.
    @Test func anUnfinishedLineIsNotLost() throws {
        let daemon = try DaemonUnderTest(["--workers", "1"] + Apps.shell("printf 'no newline' >&2; exit 3"))
        try daemon.next("backoff")
        // Once: the log's own record of it would stand right below.
        #expect(daemon.otherLines == ["no newline"])
        #expect(daemon.records("worker_said").isEmpty)
        try daemon.endsClean()
    }

    @Test func inheritedStderrIsNotTouched() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--output", "inherit", "--backoff", "10m", "--backoff-cap", "10m"]
                + Apps.shell("readlink /proc/self/fd/2 >&2; exit 3"))
        try daemon.next("backoff")
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(daemon.pid)/fd/2")
        #expect(daemon.otherLines == [own])
        #expect(daemon.records("worker_said").isEmpty)
        try daemon.endsClean()
    }

    /// The reader of the log stops reading: decisions don't wait for it.
    @Test func nobodyReadsTheLogAndEverythingGoesOn() throws {
        let folder = try TestFolder()
        // Says so on stdout each time, and dies with a few kilobytes of last words.
        let crash = "echo dies; for n in 1 2 3 4 5 6 7 8 9 10; do printf '%0300d\\n' $n; done >&2; exit 1"
        let serve = "exec \(Apps.worker("ready", "serve").joined(separator: " "))"
        let script = { (slot: Int) in "#!/bin/sh\nif [ $RELOADERD_SLOT = \(slot) ]; then \(crash); fi\n\(serve)\n" }
        let app = try folder.writeProgram("app", script(1))
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest([
            "--listen", "127.0.0.1:\(port)", "--workers", "2", "--backoff", "1ms", "--backoff-cap", "1ms", app,
        ])
        try daemon.next("worker_ready")
        let client = try SteadyClient(port)
        // Some megabytes of words and records that nobody reads: far beyond what may wait.
        for _ in 1...250 { #expect(try daemon.process.output.next() == "dies") }
        let before = try ProcessView(daemon.pid).residentBytes
        for _ in 1...250 { #expect(try daemon.process.output.next() == "dies") }
        let after = try ProcessView(daemon.pid).residentBytes
        #expect(after - before < 512 * 1024, "what waits for the reader grows without bound")
        #expect(client.finish().failures == [])

        try folder.writeProgram("app", script(7))
        daemon.signal(SIGHUP)
        // Also when the log's end is opened again meanwhile.
        daemon.signal(SIGUSR1)
        let later = try SteadyClient(port)
        try later.waitForGeneration(2)
        #expect(later.finish().failures == [])
        // The reader is back.
        let dropped = try daemon.next("log_dropped")
        #expect(dropped.number("lines") > 500)
        #expect(dropped.level == "warning")
        try daemon.endsClean()
        #expect(daemon.otherLines.allSatisfy { $0.count == 300 && $0.hasPrefix("00") }, "a line is torn")
    }

    /// Pipes that nobody may read for now must not wake the daemon: neither one that is full, nor one that is closed,
    /// nor those of new workers.
    @Test func aBlockedLogCostsNoTime() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "2"]
                + Apps.worker(
                    "if-generation", "1", "if-slot", "1", "ready", "flood-err", "1000000000000", "end", "end",
                    "if-generation", "1", "ready", "wait", "end",
                    "if-slot", "0", "close-err", "ready", "sleep", "0.5", "out", "up", "sleep", "0.6", "out", "slept",
                    "wait", "end", "err", "hello", "ready", "wait"))
        try daemon.next("pool_ready")
        // Nobody reads from here on. What the flood writes while Python starts again is more than all pipes hold.
        let view = try ProcessView(daemon.pid)
        daemon.signal(SIGHUP)
        #expect(try daemon.process.output.next() == "up")
        let before = view.cpuTicks
        #expect(try daemon.process.output.next() == "slept")
        #expect(view.cpuTicks - before <= 6, "busy for more than a tenth of the time")
        try daemon.next("reload_done")
        try daemon.endsClean()
    }

    @Test func aStopWaitsForNoReaderThatHasStopped() throws {
        let daemon = try DaemonUnderTest(["--workers", "1"] + Apps.worker("ready", "flood-err", "1000000000000"))
        try daemon.next("worker_ready")
        daemon.signal(SIGTERM)
        #expect(try daemon.process.wait() == 0)
        #expect(try daemon.end() == 0)
        daemon.leavesNothing()
    }

    /// Nothing reads the other end at all: the pool matters more than its log.
    @Test func theReaderOfTheLogGoesAway() throws {
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--listen", "127.0.0.1:\(port)", "--workers", "2"] + Apps.worker("out", "up", "ready", "serve"),
            // The daemon's stderr is a pipe whose reader ends when the test says so.
            under: ["/bin/bash", "-c", "exec \"$@\" 2> >(head -n 8 >/dev/null)", "bash"])
        let client = try Self.client(of: port, of: daemon)
        daemon.signal(SIGHUP)
        try client.waitForGeneration(2)
        daemon.signal(SIGHUP)
        try client.waitForGeneration(3)
        #expect(client.finish().failures == [])
        #expect(try daemon.stop() == 0)
    }

    /// Without a log to read: a worker says on stdout that it is up, and with it the listener.
    private static func client(of port: Int, of daemon: DaemonUnderTest) throws -> SteadyClient {
        #expect(try daemon.process.output.next() == "up")
        return try SteadyClient(port)
    }

    /// A log file that may not grow any further.
    @Test func aFullLogFileEndsNothing() throws {
        let folder = try TestFolder()
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--listen", "127.0.0.1:\(port)", "--workers", "2"] + Apps.worker("out", "up", "ready", "serve"),
            under: ["/bin/bash", "-c", "ulimit -f 1; exec \"$@\" 2>>\(folder.path)/log", "bash"])
        let client = try Self.client(of: port, of: daemon)
        daemon.signal(SIGHUP)
        try client.waitForGeneration(2)
        #expect(client.finish().failures == [])
        #expect(try daemon.stop() == 0)
        // Bytes: it may end within a character, such as the end of a long command that is quoted.
        #expect(FileManager.default.contents(atPath: "\(folder.path)/log")?.count == 1024)
    }
}
