// A worker is its process tree: wrappers, helpers, programs that put themselves into the background, and what is left
// of them.
import Foundation
import Glibc
import Testing

@Suite struct WorkerTreeTests {
    /// A child that says on the worker's standard error which number it has, and how it ends.
    private static func child(_ onTerm: String) -> String {
        "trap '\(onTerm)' TERM; echo child $$ >&2; echo READY=1 >&$READY_FD; while :; do sleep 0.02; done"
    }

    /// The next process that has said `word NUMBER`.
    private func process(_ word: String, of daemon: DaemonUnderTest, after known: Int = 0) throws -> ProcessView {
        func said() -> [String] { daemon.otherLines.filter { $0.hasPrefix("\(word) ") } }
        while said().count <= known { try daemon.nextLine() }
        return try ProcessView(try #require(said()[known].split(separator: " ").last.flatMap { Int32($0) }))
    }

    // MARK: wrappers

    /// The shell dies of the stop signal; what it has started finishes, and is heard.
    @Test func aWrapperThatDoesNotExecLosesNothing() throws {
        let folder = try TestFolder()
        let app = try folder.writeProgram(
            "app", "#!/bin/sh\n" + Self.child("sleep 0.3; echo child has finished >&2; exit 0"))
        let daemon = try DaemonUnderTest(["--workers", "1"] + Apps.shell("\(app); :"))
        try daemon.next("pool_ready")
        let child = try process("child", of: daemon)
        daemon.signal(SIGTERM)
        let exited = try daemon.next("worker_exited")
        #expect(exited.number("signal") == 15 && exited.message == "worker ended by SIGTERM, as requested")
        let left = try daemon.next("leftovers")
        #expect(left.number("left") >= 1 && left.text("pids")?.contains("\(child.pid)") == true, "\(left)")
        #expect(try daemon.end() == 0)
        try child.waitForEnd()
        #expect(daemon.otherLines.contains("child has finished"), "\(daemon.story)")
        #expect(daemon.records("leftovers_gone").count == 1 && daemon.records("leftovers_killed").isEmpty)
    }

    /// A server that a shell has started answers what it has accepted.
    @Test func aWrappedServerAnswersItsLastRequest() throws {
        let port = try Network.freePort()
        let folder = try TestFolder()
        let words = Apps.worker("ready", "serve").map { "'\($0)'" }.joined(separator: " ")
        let app = try folder.writeProgram("app", "#!/bin/sh\n\(words)\n:\n")
        let daemon = try DaemonUnderTest(["--workers", "2", "--listen", "127.0.0.1:\(port)", app])
        try daemon.next("pool_ready")
        let load = try SteadyClient(port)
        for _ in 0..<3 {
            daemon.signal(SIGHUP)
            try daemon.next("reload_done")
        }
        let report = load.finish()
        #expect(report.failures.isEmpty && report.answers > 0, "\(report)")
        #expect(try daemon.stop() == 0)
    }

    @Test func whatIgnoresTheStopSignalIsKilledAfterTheRestOfTheStopTimeout() throws {
        let folder = try TestFolder()
        let app = try folder.writeProgram("app", "#!/bin/sh\n" + Self.child(""))
        let daemon = try DaemonUnderTest(["--workers", "1", "--stop-timeout", "500ms"] + Apps.shell("\(app); :"))
        try daemon.next("pool_ready")
        let child = try process("child", of: daemon)
        daemon.signal(SIGTERM)
        let draining = try daemon.next("worker_draining")
        let killed = try daemon.next("leftovers_killed")
        #expect(killed.time - draining.time >= 0.5 - 0.002 && killed.level == "warning", "\(killed)")
        #expect(try daemon.end() == 0)
        try child.waitForEnd()
    }

    @Test func aFastStopTakesAllWithIt() throws {
        let folder = try TestFolder()
        let app = try folder.writeProgram("app", "#!/bin/sh\n" + Self.child(""))
        let daemon = try DaemonUnderTest(["--workers", "2"] + Apps.shell("setsid \(app) & wait"))
        try daemon.next("pool_ready")
        let children = [try process("child", of: daemon), try process("child", of: daemon, after: 1)]
        try daemon.endsClean(by: SIGQUIT)
        for child in children { try child.waitForEnd() }
    }

    // MARK: what leaves the session

    /// How a helper gets away, without a trace in its environment: from a worker that lives on beside it, or from one
    /// whose child it is no longer.
    private static let escapes = ["setsid env -i \(helper) &", "(setsid env -i \(helper) &);"]
    private static let helper = "/bin/sh -c 'echo helper $$; exec /bin/sleep 1000' >&2"

    /// Starts processes until one is younger than this by the kernel's clock, which ticks a hundred times a second:
    /// what starts within a tick can't be told from what was there before.
    private static func kernelTicks(after process: ProcessView) throws {
        func start(_ stat: String) throws -> Int {
            let fields = stat[(stat.lastIndex(of: ")") ?? stat.startIndex)...].split(separator: " ")
            return try #require(fields.count > 20 ? Int(fields[20]) : nil)
        }
        let before = try start(String(contentsOfFile: "/proc/\(process.pid)/stat", encoding: .utf8))
        while try start(try CommandRun.run(["cat", "/proc/self/stat"]).output) <= before {}
    }

    @Test(arguments: escapes, ["TERM", "crash", "reload"])
    func aHelperInASessionOfItsOwnEndsWithItsWorker(escape: String, end: String) throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--backoff", "1ms"]
                + Apps.shell("\(escape) echo READY=1 >&$READY_FD; exec sleep 1000"))
        let ready = try daemon.next("worker_ready")
        let helper = try process("helper", of: daemon)
        #expect(helper.isAlive)
        switch end {
        case "crash": kill(try #require(ready.pid), SIGKILL)
        case "reload":
            try Self.kernelTicks(after: helper)
            daemon.signal(SIGHUP)
        default: daemon.signal(SIGTERM)
        }
        try daemon.next("leftovers_gone")
        try helper.waitForEnd()
        if end != "TERM" {
            let next = try process("helper", of: daemon, after: 1)
            #expect(next.isAlive, "of another worker, which lives")
            daemon.signal(SIGTERM)
            #expect(try daemon.end() == 0)
            try next.waitForEnd()
        } else {
            #expect(try daemon.end() == 0)
        }
    }

    /// Two workers, each with a helper: that of the one that lives is not touched. (Its environment tells them apart;
    /// while a process is in exec(2) it has none, so the helper is done with that when it speaks.)
    @Test func theHelperOfAnotherWorkerLivesOn() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "2", "--backoff", "1h", "--backoff-cap", "1h"]
                + Apps.shell(
                    "(setsid sh -c 'echo helper$RELOADERD_SLOT $$ >&2; sleep 1000; :' &); echo READY=1 >&$READY_FD; "
                        + "exec sleep 1000"))
        try daemon.next("pool_ready")
        let own = try process("helper0", of: daemon)
        let other = try process("helper1", of: daemon)
        kill(try #require(daemon.records("worker_ready").first { $0.slot == 0 }?.pid), SIGKILL)
        try daemon.next("leftovers_gone")
        try own.waitForEnd()
        #expect(other.isAlive)
        try daemon.endsClean()
        try other.waitForEnd()
    }

    @Test func withKeepChildrenItLivesOn() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--keep-children"]
                + Apps.shell("\(Self.escapes[0]) sleep 1000 & echo mate $! >&2; echo READY=1 >&$READY_FD; wait"))
        try daemon.next("pool_ready")
        let helper = try process("helper", of: daemon)
        let mate = try process("mate", of: daemon)
        #expect(try daemon.stop() == 0)
        try mate.waitForEnd()
        #expect(helper.isAlive)
        kill(helper.pid, SIGKILL)
        try helper.waitForEnd()
    }

    /// Nobody reads the words of a process that lives on after its worker has ended.
    @Test func whatLivesOnWritesNoMore() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let fifo = try Fifo(in: folder)
        let helper =
            "trap '' PIPE; for l in before after; do read x <\(gate.path); "
            + "r=written; echo $l 2>/dev/null || r=failed; echo $r >>\(fifo.path); done"
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--keep-children"]
                + Apps.shell("setsid sh -c \"$0\" & echo READY=1 >&$READY_FD; exec sleep 1000") + [helper])
        try daemon.next("pool_ready")
        gate.letPass()
        #expect(try fifo.lines.next() == "written" && daemon.process.output.next() == "before")
        // Without another worker, whose helper would wait at the same gate.
        daemon.signal(SIGWINCH)
        try daemon.next("worker_exited")
        try daemon.hearsAll()
        gate.letPass()
        #expect(try fifo.lines.next() == "failed")
        try daemon.endsClean()
    }

    /// A child of the program that has become the daemon is nobody's leftover.
    @Test func whatWasThereBeforeTheDaemonIsNotTouched() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1"] + Apps.readyShell,
            under: ["/bin/sh", "-c", "sleep 1000 2>/dev/null & echo earlier $! >&2; exec \"$@\"", "sh"])
        let earlier = try process("earlier", of: daemon)
        try daemon.next("pool_ready")
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        #expect(try daemon.stop() == 0)
        #expect(earlier.isAlive)
        kill(earlier.pid, SIGKILL)
        try earlier.waitForEnd()
    }

    @Test func aProgramThatPutsItselfIntoTheBackgroundIsToldSo() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--backoff", "1h", "--backoff-cap", "1h"]
                + Apps.shell("\(Self.escapes[0]) read line <\(gate.path); exit 0"))
        let helper = try process("helper", of: daemon)
        gate.letPass()
        let failed = try daemon.next("worker_failed")
        for word in ["background", "foreground", "daemon off;", "--foreground"] {
            #expect(failed.message.contains(word), "\(failed)")
        }
        try daemon.endsClean()
        try helper.waitForEnd()
    }

    @Test func statusCountsWhatIsLeft() throws {
        let folder = try TestFolder()
        let app = try folder.writeProgram("app", "#!/bin/sh\n" + Self.child(""))
        let controlled = try ControlledDaemon(
            Apps.shell("[ $RELOADERD_GENERATION = 1 ] || { echo READY=1 >&$READY_FD; exec sleep 1000; }; \(app); :"),
            options: ["--workers", "1", "--stop-timeout", "1h"])
        let daemon = controlled.daemon
        try daemon.next("pool_ready")
        let child = try process("child", of: daemon)
        daemon.signal(SIGHUP)
        try daemon.next("leftovers")
        let left = try #require(try controlled.ask("status").fields["left"] as? [[String: Any]])
        let entry = try #require(left.first { $0["pid"] as? Int == Int(child.pid) }, "\(left)")
        #expect(entry["slot"] as? Int == 0 && entry["generation"] as? Int == 1)
        #expect((entry["kill_in_s"] as? NSNumber)?.doubleValue ?? 0 > 60)
        let text = try CommandRun.run(
            [Products.reloaderd, "status", "--control", controlled.path], environment: ChildProcess.plainEnvironment)
        #expect(text.output.contains("\nleft        pid \(child.pid) ("), "\(text.output)")
        daemon.signal(SIGQUIT)
        #expect(try daemon.end() == 0)
        try child.waitForEnd()
    }

    // MARK: signals

    /// It tries to get away from the group that SIGKILL goes to.
    @Test func nobodyEscapesSIGKILL() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--stop-timeout", "200ms"]
                + Apps.worker("leave-group", "ignore", "TERM", "ready", "wait"))
        try daemon.next("pool_ready")
        try daemon.endsClean()
        #expect(daemon.records("worker_exited").first?.number("signal") == 9)
    }

    @Test func aWorkerThatIsStoppedHearsTheStopSignal() throws {
        let controlled = try ControlledDaemon(
            Apps.worker("term-exit", "7", "ready", "wait"), options: ["--workers", "1", "--stop-timeout", "1h"])
        let daemon = controlled.daemon
        let ready = try daemon.next("worker_ready")
        kill(try #require(ready.pid), SIGSTOP)
        let stopped = try daemon.next("worker_stopped")
        #expect(stopped.pid == ready.pid && stopped.message == "worker is stopped by SIGSTOP, until it gets SIGCONT")
        let slots = try #require(try controlled.ask("status").fields["slots"] as? [[String: Any]])
        let workers = try #require(slots.first?["workers"] as? [[String: Any]])
        #expect(workers.first?["state"] as? String == "stopped")
        #expect(try daemon.stop() == 0)
        #expect(daemon.records("worker_exited").first?.number("status_code") == 7, "\(daemon.story)")
    }

    @Test func aWorkerThatIsStoppedIsNotReadyForThatReason() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--ready-timeout", "1s", "--backoff", "1h", "--backoff-cap", "1h"]
                + Apps.shell("kill -STOP $$; exec sleep 1000"))
        let failed = try daemon.next("worker_failed")
        #expect(failed.message == "worker was not ready within 1.000s: it is stopped by SIGSTOP, until it gets SIGCONT")
        try daemon.endsClean()
    }

    /// New connections go to the worker that runs.
    @Test func aWorkerThatIsStoppedGetsNoNewConnections() throws {
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--workers", "2", "--listen", "127.0.0.1:\(port)", "--balance", "slot"] + Apps.worker("ready", "serve"))
        try daemon.next("pool_ready")
        let pid = try #require(daemon.records("worker_ready").first { $0.slot == 0 }?.pid)
        kill(pid, SIGSTOP)
        try daemon.next("worker_stopped")
        for _ in 0..<40 { #expect(Network.get(port)?.contains("slot=1 ") == true) }
        kill(pid, SIGCONT)
        try daemon.next("worker_continued")
        var slots: Set<Substring> = []
        while slots.count < 2 { slots.insert(try #require(Network.get(port)?.firstMatch(of: /slot=./)?.output)) }
        try daemon.endsClean()
    }
}
