// Programs that cannot be started, or that end before they serve.
import Glibc
import Testing

@testable import Supervisor

@Suite struct StartFaultTests {
    /// What is wrong with the program, the status that a shell would end with, and what the one line says.
    enum Broken: CaseIterable {
        case missing, missingInPath, notExecutable, directory, missingDirectory

        func word(in folder: TestFolder) throws -> String {
            switch self {
            case .missing: "\(folder.path)/app"
            case .missingInPath: "no-such-program-anywhere"
            case .notExecutable: try folder.write("app", "#!/bin/sh\n")
            case .directory: folder.path
            case .missingDirectory: "\(try folder.write("file", ""))/app"
            }
        }

        var status: Int32 {
            switch self {
            case .missing, .missingInPath, .missingDirectory: 127
            case .notExecutable, .directory: 126
            }
        }

        var reason: String {
            switch self {
            case .missing, .missingDirectory: "No such file or directory"
            case .missingInPath: "no such program in PATH (/usr/bin:/bin)"
            case .notExecutable, .directory:
                "Permission denied (is it an executable file, for the user that workers run as?)"
            }
        }
    }

    @Test(arguments: Broken.allCases) func aProgramThatCannotBeRunIsOneLine(_ broken: Broken) throws {
        let folder = try TestFolder()
        let socket = "\(folder.path)/socket"
        let word = try broken.word(in: folder)
        let run = try CommandRun.reloaderd(
            ["--listen", "unix:\(socket)", "--pid-file", "\(folder.path)/pid", "--workers", "4", word])
        #expect(run.status == broken.status)
        #expect(run.errors == "reloaderd: cannot start \(word): \(broken.reason)\n")
        #expect(run.output == "")
        #expect(!folder.contains("socket"), "the socket's file is left")
        #expect(!folder.contains("pid"), "the pid file is left")
    }

    @Test func aListenerThatCannotBeHadLeavesNoFileOfTheOthers() throws {
        let folder = try TestFolder()
        let run = try CommandRun.reloaderd(
            ["--listen", "unix:\(folder.path)/socket", "--listen", "unix:/no/such/directory/socket", "/bin/true"])
        #expect(run.status == 1)
        #expect(
            run.errorLines.count == 1 && run.errors.contains("/no/such/directory/socket: No such file or directory"))
        #expect(!folder.contains("socket"), "the socket's file is left")
    }

    @Test(arguments: [1, 4]) func aScriptWithoutItsInterpreterIsOneLine(workers: Int) throws {
        let folder = try TestFolder()
        let app = try folder.writeProgram("app", "#!/no/such/interpreter\n")
        let daemon = try DaemonUnderTest(["--listen", "unix:\(folder.path)/socket", "--workers", "\(workers)", app])
        #expect(try daemon.end() == 127)
        let errors = daemon.log.filter { $0.level != "info" }
        #expect(
            errors.map(\.message) == [
                "cannot start worker: \(app): No such file or directory (or the interpreter that its first line names "
                    + "is missing)"
            ])
        #expect(daemon.records("worker_started").isEmpty)
        #expect(daemon.otherLines.isEmpty)
        #expect(!folder.contains("socket"), "the socket's file is left")
    }

    @Test func aFileThatIsNoProgramIsOneLine() throws {
        let folder = try TestFolder()
        let app = try folder.writeProgram("app", "this is no program\n")
        let daemon = try DaemonUnderTest(["--workers", "2", app])
        #expect(try daemon.end() == 126)
        let errors = daemon.log.filter { $0.level != "info" }
        #expect(
            errors.map(\.message) == [
                "cannot start worker: \(app): Exec format error (not a program of this machine; "
                    + "a script needs a #! line)"
            ])
    }

    /// The failure is that it did not become ready, whatever its status.
    @Test(arguments: [0, 3]) func oneThatExitsAtOnceIsStartedMoreAndMoreSlowly(status: Int) throws {
        let daemon = try DaemonUnderTest(["--workers", "1"] + Apps.shell("exit \(status)"))
        var started = try daemon.next("worker_started")
        for failures in 1...4 {
            let failed = try daemon.next("worker_failed")
            #expect(failed.message == "worker exited with status \(status) before it was ready")
            let backoff = try daemon.next("backoff")
            let longest = 0.1 * Double(1 << (failures - 1))
            #expect(Int(backoff.number("failures")) == failures)
            // The record is cut to milliseconds.
            #expect(backoff.number("delay") >= longest / 2 - 0.001)
            #expect(backoff.number("delay") <= longest)
            if failures == 4 { break }
            let next = try daemon.next("worker_started")
            #expect(next.time - started.time >= backoff.number("delay") - 0.002, "started before its time")
            started = next
        }
        #expect(daemon.records("worker_ready").isEmpty)
        try daemon.endsClean()
    }

    @Test func theDelayEndsAtItsCap() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--backoff", "4ms", "--backoff-cap", "20ms"] + Apps.shell("exit 1"))
        for failures in 1...12 {
            let delay = try daemon.next("backoff").number("delay")
            let longest = min(0.02, 0.004 * Double(1 << (failures - 1)))
            #expect(delay >= longest / 2 - 0.001 && delay <= longest, "failure \(failures)")
        }
        try daemon.endsClean()
    }

    /// A worker that was ready long enough is healthy: its death restarts it at once, and earlier failures are
    /// forgotten.
    @Test func aHealthyWorkerThatDiesIsRestartedAtOnce() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--backoff-reset", "1ms", "--backoff", "30s"] + Apps.readyShell)
        for _ in 1...3 {
            let ready = try daemon.next("worker_ready")
            let view = try ProcessView(try #require(ready.pid))
            // Older than 1 ms: the daemon has gone round its loop to hear of it, and we have read it.
            poll(nil, 0, 5)
            kill(view.pid, SIGKILL)
            let failed = try daemon.next("worker_failed")
            #expect(failed.message == "worker was unexpectedly killed by signal 9 (Killed)")
        }
        try daemon.next("worker_ready")
        #expect(daemon.records("backoff").isEmpty)
        try daemon.endsClean()
    }

    /// One crash of a worker that has served says little about the next one; two in a row do.
    @Test func theFirstCrashOfAWorkerThatServedCostsNoDelay() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--backoff", "1h", "--backoff-cap", "1h"] + Apps.readyShell)
        for _ in 1...2 {
            let ready = try daemon.next("worker_ready")
            #expect(daemon.records("backoff").isEmpty)
            kill(try #require(ready.pid), SIGKILL)
        }
        let backoff = try daemon.next("backoff")
        #expect(backoff.number("failures") == 2 && backoff.number("delay") >= 1800)
        try daemon.endsClean()
    }

    @Test func giveUpEndsTheDaemon() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--backoff", "1ms", "--give-up", "3/1m"] + Apps.shell("exit 7"))
        #expect(try daemon.end() == 1)
        let gaveUp = try #require(daemon.records("gave_up").first)
        #expect(gaveUp.message == "too many failures, giving up (--give-up)")
        #expect(gaveUp.number("failures") == 3)
        #expect(daemon.records("worker_started").count == 3)
        #expect(daemon.records(after: gaveUp).filter { $0.event == "worker_started" }.isEmpty)
        daemon.leavesNothing()
    }

    /// The failed worker of one slot must not take the healthy ones along any faster than they can finish.
    @Test func giveUpLetsHealthyWorkersFinish() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "2", "--backoff", "1ms", "--give-up", "3/1m"]
                + Apps.worker("if-slot", "1", "exit", "7", "end", "term-exit", "0", "ready", "wait"))
        #expect(try daemon.end() == 1)
        let healthy = daemon.records("worker_exited").filter { $0.slot == 0 }
        if daemon.records("worker_ready").isEmpty {
            // It gave up before slot 0 was ready; SIGTERM may then have met a Python that catches nothing yet.
            #expect(healthy.count == 1)
        } else {
            #expect(healthy.map { $0.number("status_code") } == [0])
        }
        #expect(daemon.records("worker_killed").isEmpty)
        daemon.leavesNothing()
    }

    /// All of it has gone through before the failure is told.
    @Test func aFailedStartShowsTheWorkersWords() throws {
        let words = (1...20).flatMap { ["err", "word \($0)"] } + ["exit", "3"]
        let daemon = try DaemonUnderTest(["--workers", "1"] + Apps.worker(words))
        try daemon.next("worker_failed")
        #expect(daemon.otherLines == (1...20).map { "word \($0)" })
        try daemon.endsClean()
    }

    /// If the words went elsewhere, the log has the first and the last.
    @Test func theLogRepeatsTheFirstAndTheLastWords() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--output", "file:/dev/null"]
                + Apps.shell("for n in $(seq 200); do echo word $n >&2; done; exit 3"))
        let failed = try daemon.next("worker_failed")
        try daemon.next("backoff")
        let said = daemon.records("worker_said")
        let first = (1...16).map { "word \($0)" }
        let last = (169...200).map { "word \($0)" }
        #expect(said.map(\.message) == first + [KeptLines.gap] + last)
        #expect(said.allSatisfy { $0.pid == failed.pid && $0.slot == 0 && $0.generation == 1 })
        #expect(said.allSatisfy { $0.text("stream") == "stderr" })
        try daemon.endsClean()
    }

    /// Many programs log to standard output only.
    @Test func theLogRepeatsStandardOutputOfWhoIsSilentOnStandardError() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1"] + Apps.shell("echo the reason; exit 3"))
        try daemon.next("backoff")
        #expect(daemon.records("worker_said").map(\.message) == ["the reason"])
        #expect(daemon.records("worker_said").map { $0.text("stream") } == ["stdout"])
        try daemon.endsClean()
    }
}
