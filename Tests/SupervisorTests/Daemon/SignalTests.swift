// Each signal's meaning, and those without one.
import Foundation
import Testing

@Suite struct SignalTests {
    @Test func ttinAndTtouChangeTheNumberOfWorkers() throws {
        let daemon = try DaemonUnderTest(["--workers", "1"] + Apps.readyShell)
        try daemon.next("pool_ready")
        daemon.signal(SIGTTIN)
        #expect(try daemon.next("scaled").message == "2 workers instead of 1")
        #expect(try daemon.next("worker_ready").slot == 1)
        daemon.signal(SIGTTOU)
        #expect(try daemon.next("scaled").message == "1 worker instead of 2")
        let draining = try daemon.next("worker_draining")
        #expect(draining.slot == 1 && draining.message == "worker drains: its slot was removed")
        try daemon.next("worker_exited")
        // There is always one worker at least.
        daemon.signal(SIGTTOU)
        try daemon.hearsAll()
        daemon.signal(SIGTTIN)
        try daemon.next("worker_ready")
        #expect(daemon.records("scaled").count == 3)
        // A reload keeps the number that was set.
        daemon.signal(SIGHUP)
        #expect(try daemon.next("reload_done").number("workers") == 2)
        try daemon.endsClean()
    }

    @Test func winchDrainsAllAndKeepsTheListener() throws {
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--listen", "127.0.0.1:\(port)", "--workers", "2"] + Apps.worker("ready", "serve"))
        try daemon.next("pool_ready")
        daemon.signal(SIGWINCH)
        try daemon.next("draining_all")
        for _ in 0...1 { #expect(try daemon.next("worker_exited").number("status_code") == 0) }
        // A connection waits in the accept queue, is not refused, and is answered by the next workers.
        let client = Thread.answer(of: port)
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        #expect(client()?.contains("generation=2 ") == true)
        try daemon.endsClean()
        #expect(daemon.records("worker_failed").isEmpty)
    }

    @Test func aSignalWithoutAMeaningSaysThatItIsIgnored() throws {
        let daemon = try DaemonUnderTest(["--workers", "1"] + Apps.readyShell)
        try daemon.next("pool_ready")
        daemon.signal(SIGPWR)
        let ignored = try daemon.next("signal_ignored")
        #expect(ignored.number("signal") == Double(SIGPWR) && ignored.level == "warning")
        #expect(ignored.message == "SIGPWR is ignored: it has no meaning here")
        try daemon.endsClean()
    }

    /// Every other signal that a program can get by accident: none of them ends the daemon, and with it the pool's
    /// keeper.
    @Test func straySignalsDoNoHarm() throws {
        let daemon = try DaemonUnderTest(["--workers", "1"] + Apps.readyShell)
        try daemon.next("pool_ready")
        // Left out: those with a meaning; KILL and STOP; TSTP, which stops as a terminal's Ctrl-Z should; those that
        // dump core, which a program only gets for an error of its own; 32 and 33, which are the C library's.
        let meaning = [
            SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR2, SIGWINCH,
        ]
        let dumping = [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGXCPU, SIGSYS]
        let stray = (1...63).filter { !(meaning + dumping + [32, 33]).contains($0) }
        for signal in stray { daemon.signal(signal) }
        try daemon.hearsAll()
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        #expect(daemon.records("logs_reopened").count == 1)
        let told = Set(daemon.records("signal_ignored").map { Int32($0.number("signal")) })
        // The kernel's own default for these is to do nothing.
        let silent: Set<Int32> = [SIGCHLD, SIGCONT, SIGURG, SIGPIPE, SIGXFSZ, SIGUSR1]
        #expect(told == Set(stray).subtracting(silent).union([DaemonUnderTest.barrier]))
        try daemon.endsClean()
    }

    /// Control-Z stops the daemon as it would any program, and an error of its own ends it with a core dump.
    @Test func someSignalsKeepTheirMeaning() throws {
        let daemon = try DaemonUnderTest(["--workers", "1"] + Apps.readyShell)
        try daemon.next("pool_ready")
        let status = try String(contentsOfFile: "/proc/\(daemon.pid)/status", encoding: .utf8)
        let kept = [SIGTSTP, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGXCPU, SIGSYS]
        for set in ["SigBlk", "SigIgn", "SigCgt"] {
            let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("\(set):") })
            let bits = try #require(UInt64(line.suffix(16), radix: 16))
            #expect(kept.filter { bits >> UInt64($0 - 1) & 1 == 1 } == [], "\(line)")
        }
        try daemon.endsClean()
    }

    /// Workers start with a clean slate, whatever the daemon blocks and ignores.
    @Test func workersGetAllSignals() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1"]
                + Apps.shell("grep -E '^Sig(Blk|Ign)' /proc/self/status >&2; echo READY=1 >&$READY_FD; exec sleep 1000")
        )
        try daemon.next("worker_ready")
        while daemon.otherLines.count < 2 { try daemon.nextLine() }
        let sets = daemon.otherLines.map { UInt64($0.suffix(16), radix: 16) ?? .max }
        // 32 and 33 are the C library's own, which it lets nobody touch: they stay what the tests were started with.
        #expect(sets.count == 2 && sets[0] == 0 && sets[1] & ~(3 << 31) == 0)
        try daemon.endsClean()
    }

    @Test func usr1OpensTheLogFilesAnew() throws {
        let folder = try TestFolder()
        let log = try folder.write("log", "")
        // Follows the path, also when another file has taken it.
        let tail = try ChildProcess(["tail", "-n", "+1", "-F", log])
        func nextLine(_ words: String...) throws {
            while let line = try tail.output.next() {
                if words.allSatisfy(line.contains) { return }
            }
            throw DidNotHappen(description: "tail has ended without \(words)")
        }
        /// What a worker prints may come before or after what is said of it.
        func nextLines(with event: String) throws {
            var missing: Set<String> = [event, "out", "err"]
            while !missing.isEmpty, let line = try tail.output.next() {
                missing = missing.filter { line != $0 && !line.contains("\"event\":\"\($0)\"") }
            }
        }
        let daemon = try DaemonUnderTest(
            ["--workers", "1"] + Apps.shell("echo out; echo err >&2; echo READY=1 >&$READY_FD; exec sleep 1000"),
            under: ["/bin/sh", "-c", "exec \"$@\" >>\(log) 2>&1", "sh"])
        try nextLines(with: "pool_ready")
        rename(log, "\(log).1")
        daemon.signal(SIGUSR1)
        try nextLine("logs_reopened", log)
        daemon.signal(SIGHUP)
        try nextLines(with: "reload_done")
        let rotated = folder.text(of: "log.1")
        #expect(rotated.contains("pool_ready") && !rotated.contains("reload_done"))
        #expect(rotated.split(separator: "\n").filter { $0 == "out" || $0 == "err" }.count == 2)
        let new = folder.text(of: "log")
        #expect(!new.contains("pool_ready"))
        #expect(Set(new.split(separator: "\n").filter { $0 == "out" || $0 == "err" }) == ["out", "err"])
        #expect(try daemon.stop() == 0)
        #expect(folder.text(of: "log").contains("worker_exited") && folder.text(of: "log.1") == rotated)
        tail.signal(SIGTERM)
        try tail.wait()
    }

    /// Neither the daemon nor its worker ran: a worker that was not heard for that reason has all of its time again.
    @Test(arguments: ["start", "stop", "watchdog"]) func aTimeInWhichNobodyRanIsNobodysFault(wait: String) throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let passes = "read line <\(gate.path)"
        let (options, script) =
            switch wait {
            case "start": (["--ready-timeout", "5s"], "\(passes); echo READY=1 >&$READY_FD; exec sleep 1000")
            case "stop":
                (
                    ["--stop-timeout", "5s"],
                    "trap 'echo asked >&2; \(passes); exit 7' TERM; echo READY=1 >&$READY_FD; while :; do sleep 0.02; "
                        + "done"
                )
            default:
                (
                    ["--watchdog", "5s"],
                    "echo READY=1 >&$READY_FD; while :; do echo WATCHDOG=1 >&$READY_FD; sleep 0.1; done"
                )
            }
        let daemon = try DaemonUnderTest(["--workers", "1"] + options + Apps.shell(script))
        let pid = try #require(try daemon.next(wait == "start" ? "worker_started" : "worker_ready").pid)
        if wait == "stop" {
            daemon.signal(SIGTERM)
            while !daemon.otherLines.contains("asked") { try daemon.nextLine() }
        }
        daemon.signal(SIGSTOP)
        kill(-pid, SIGSTOP)
        // Twice the watchdog's time as well, after which a worker is killed at once.
        try ChildProcess(["sleep", wait == "watchdog" ? "12" : "7"]).wait()
        kill(-pid, SIGCONT)
        daemon.signal(SIGCONT)
        try daemon.next("overslept")
        gate.letPass()
        if wait == "start" { try daemon.next("worker_ready") }
        if wait == "stop" {
            #expect(try daemon.next("worker_exited").number("status_code") == 7)
        }
        try daemon.endsClean()
        #expect(daemon.records("worker_killed").isEmpty && daemon.records("worker_failed").isEmpty, "\(daemon.story)")
    }

    /// As above, for a hook.
    @Test func aTimeInWhichNobodyRanIsNotAHooksFault() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let fifo = try Fifo(in: folder)
        let daemon = try DaemonUnderTest(
            [
                "--workers", "1", "--on-event-timeout", "5s", "--on-event",
                "echo >\(fifo.path); read line <\(gate.path); exit 7",
            ] + Apps.readyShell)
        _ = try fifo.lines.next()
        daemon.signal(SIGSTOP)
        try ChildProcess(["sleep", "7"]).wait()
        daemon.signal(SIGCONT)
        // Its time was over when the daemon ran again.
        for _ in 0..<2 { try daemon.hearsAll() }
        gate.letPass()
        #expect(try daemon.next("hook_failed").message == "hook for ready exited with status 7")
        try daemon.endsClean()
        #expect(daemon.records("hook_killed").isEmpty)
    }

    /// A worker that pings is not killed for what the daemon could not hear while it was stopped, and what was asked
    /// happens.
    @Test func aStoppedDaemonCatchesUp() throws {
        // Slot 0 says by the clock how far it has come, past the daemon; slot 1 is blocked when its socket's queue is
        // full.
        let round = ["ping", "4", "0.1", "ready", "clock"]
        let words = ["ready", "if-slot", "1", "ping", "1000", "0.1", "notify", "end"]
        let daemon = try DaemonUnderTest(
            ["--workers", "2", "--watchdog", "1200ms", "--output", "inherit"]
                + Apps.worker(words + Array(repeating: round, count: 250).flatMap { $0 }))
        try daemon.next("pool_ready")
        daemon.signal(SIGSTOP)
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        let end = Double(now.tv_sec) + Double(now.tv_nsec) / 1e9 + 2
        while let seconds = try daemon.process.output.next().flatMap(Double.init), seconds < end {}
        daemon.signal(SIGHUP)
        daemon.signal(SIGCONT)
        try daemon.next("reload_done")
        #expect(daemon.records("worker_killed").isEmpty, "\(daemon.story)")
        #expect(daemon.records("worker_failed").isEmpty)
        try daemon.endsClean()
    }
}

extension Thread {
    /// Asks at once, elsewhere; the answer when it is called.
    fileprivate static func answer(of port: Int) -> () -> String? {
        let answer = Answer()
        let thread = Thread {
            answer.text = Network.get(port)
            answer.hasCome.signal()
        }
        thread.start()
        return {
            answer.hasCome.wait()
            return answer.text
        }
    }
}

private final class Answer: @unchecked Sendable {
    var text: String?
    let hasCome = DispatchSemaphore(value: 0)
}
