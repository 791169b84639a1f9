// A terminal asks for nothing: what the kernel sends for it, and what a shell makes of that. With real
// ones.
import Foundation
import Glibc
import Testing

@Suite struct TerminalTests {
    private let terminal: PseudoTerminal

    init() throws { terminal = try PseudoTerminal(columns: 80, rows: 24) }

    @Test func aWindowThatIsResizedDrainsNothing() throws {
        let daemon = try DaemonUnderTest(["--workers", "2"] + Apps.readyShell, at: terminal)
        try daemon.next("pool_ready")
        for columns in 81...90 { try terminal.resize(columns: columns, rows: 30) }
        try daemon.hearsAll()
        #expect(daemon.records("draining_all").isEmpty && daemon.records("worker_draining").isEmpty, "\(daemon.story)")
        // A process may ask, and is named.
        daemon.signal(SIGWINCH)
        let draining = try daemon.next("draining_all")
        #expect(draining.level == "warning" && draining.number("by") == Double(getpid()))
        #expect(draining.message.contains("on request of process \(getpid()) ("), "\(draining)")
        try daemon.endsClean()
    }

    @Test func aWindowThatIsClosedIsAGracefulStop() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "2"] + Apps.worker("term-exit", "0", "ready", "wait"), at: terminal)
        try daemon.next("pool_ready")
        terminal.hangUp()
        #expect(try daemon.next("terminal_closed").level == "warning")
        #expect(try daemon.end() == 0)
        daemon.leavesNothing()
        #expect(daemon.records("reload_asked").isEmpty)
        #expect(daemon.records("worker_exited").allSatisfy { $0.number("status_code") == 0 })
        #expect(daemon.records("worker_exited").count == 2)
    }

    @Test func withNohupOnlyTheTerminalsOwnHangUpIsIgnored() throws {
        let daemon = try DaemonUnderTest(["--workers", "1"] + Apps.readyShell, under: ["nohup"], at: terminal)
        try daemon.next("pool_ready")
        terminal.hangUp()
        #expect(try daemon.next("terminal_closed").level == "info")
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        #expect(daemon.records("stopping").isEmpty)
        try daemon.endsClean()
    }

    /// A shell that hears of the hang-up sends SIGHUP to its jobs, as a process of its own.
    @Test(arguments: [false, true]) func aShellsOwnHangUpIsTheTerminals(isNohup: Bool) throws {
        let folder = try TestFolder()
        let log = try Fifo(in: folder, named: "log")
        let app = try folder.writeProgram("app", "#!/bin/sh\necho READY=1 >&$READY_FD; exec sleep 1000\n")
        let shell = try terminal.startSession(
            ["bash", "--norc", "--noprofile", "-i"], environment: ChildProcess.plainEnvironment + ["PS1=prompt:"])
        try terminal.read(until: "prompt:")
        let command = "\(Products.reloaderd) --log-format json --control none --workers 1 \(app)"
        try terminal.type("\(isNohup ? "nohup " : "")\(command) </dev/null 2>\(log.path) >/dev/null &\n")
        func next(_ events: String...) throws -> LogLine {
            while let line = try log.lines.next() {
                if let record = LogLine(line), events.contains(record.event) { return record }
            }
            throw DidNotHappen(description: "the log ended without \(events)")
        }
        let daemon = try ProcessView(try #require(try next("started").pid))
        _ = try next("pool_ready")
        terminal.hangUp()
        let heard = try next("terminal_closed", "reload_asked")
        #expect(heard.event == "terminal_closed", "\(heard)")
        if isNohup {
            kill(daemon.pid, SIGHUP)
            #expect(try next("reload_done", "stopping").event == "reload_done")
            kill(daemon.pid, SIGTERM)
        }
        try daemon.waitForEnd()
        try shell.wait()
    }

    /// `kill -HUP %1`, typed into the same shell.
    @Test func aShellMayReloadWhileItsTerminalIsThere() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1"] + Apps.readyShell,
            under: ["/bin/sh", "-c", "\"$@\" & read line; kill -HUP $!; wait", "sh"], at: terminal)
        try daemon.next("pool_ready")
        try terminal.type("\n")
        try daemon.next("reload_done")
        #expect(daemon.records("terminal_closed").isEmpty)
        kill(try #require(daemon.records("started").first?.pid), SIGTERM)
        #expect(try daemon.end() == 0)
    }

    @Test func aStopByAKeySaysHowToHurry() throws {
        let daemon = try terminal.startSession(
            [Products.reloaderd, "--control", "none", "--workers", "2"]
                + Apps.worker("ignore", "TERM", "ready", "wait"),
            environment: ChildProcess.plainEnvironment)
        try terminal.read(until: " is up: ")
        try terminal.type("\u{3}")
        try terminal.read(until: "stopping: waiting for 2 workers (repeat to end them at once)")
        try ChildProcess(["sleep", "0.6"]).wait()
        try terminal.type("\u{3}")
        try terminal.read(until: "stopping at once")
        #expect(try daemon.wait() == 0)
    }

    // MARK: the same stop twice

    @Test func twoStopSignalsAtOnceAreOneRequest() throws {
        let daemon = try DaemonUnderTest(["--workers", "2"] + Apps.worker("term-slow", "0.2", "ready", "wait"))
        try daemon.next("pool_ready")
        daemon.signal(SIGINT)
        daemon.signal(SIGTERM)
        #expect(try daemon.end() == 0)
        #expect(daemon.records("stopping").count == 1 && daemon.records("worker_killed").isEmpty, "\(daemon.story)")
        #expect(daemon.records("worker_exited").allSatisfy { $0.number("status_code") == 0 })
    }

    /// timeout(1) passes its signal on to the command, and then sends it to the whole group.
    @Test func timeoutAsksOnce() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1"] + Apps.worker("term-slow", "0.2", "ready", "wait"), under: ["timeout", "1000"])
        try daemon.next("pool_ready")
        daemon.signal(SIGTERM)
        try daemon.end()
        #expect(daemon.records("stopping").count == 1 && daemon.records("worker_killed").isEmpty, "\(daemon.story)")
        #expect(daemon.records("worker_exited").first?.number("status_code") == 0)
    }

    // MARK: sessions

    /// Neither has the daemon's terminal, nor can it get it.
    @Test func workersAndHooksLeadSessionsOfTheirOwn() throws {
        let folder = try TestFolder()
        let seen = try Fifo(in: folder, named: "seen")
        let look =
            "{ true </dev/tty; } 2>/dev/null && tty=yes || tty=no; read -r stat </proc/$$/stat; set -- ${stat##*) }; "
            + "echo \"$who tty $tty session $(($4 == $$))\" >\(seen.path)"
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--on-event", "[ $RELOADERD_EVENT != ready ] || { who=hook; \(look); }"]
                + Apps.shell("who=worker; \(look); echo READY=1 >&$READY_FD; exec sleep 1000"), at: terminal)
        try daemon.next("pool_ready")
        #expect(try seen.lines.next() == "worker tty no session 1")
        #expect(try seen.lines.next() == "hook tty no session 1")
        try daemon.endsClean()
    }
}
