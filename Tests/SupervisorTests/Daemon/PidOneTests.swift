// The daemon as PID 1 of a PID namespace, as in a container, and as an ordinary process: which reaps what, and which
// hears what.
import CLinux
import Foundation
import Glibc
import Testing

@Suite struct PidOneTests {
    private static let namespace = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]

    /// A signal from inside, as `kubectl exec` sends it.
    private func signal(_ name: String, to daemon: DaemonUnderTest) throws {
        let run = try CommandRun.run([
            "nsenter", "-t", "\(daemon.pid)", "-m", "--pid=/proc/\(daemon.pid)/ns/pid_for_children", "kill", "-\(name)",
            "1",
        ])
        // A process that enters a namespace ends with it, unless it leaves before.
        #expect(run.status == 0 || run.status == 128 + SIGKILL, "\(run.errors)")
    }

    /// The only child of unshare(1), as everybody else counts it.
    private func hostPID(of daemon: DaemonUnderTest) throws -> pid_t {
        let text = try String(contentsOfFile: "/proc/\(daemon.pid)/task/\(daemon.pid)/children", encoding: .utf8)
        return try #require(text.split(separator: " ").first.flatMap { pid_t($0) })
    }

    @Test(.disabled(if: Namespaces.problem != nil, "\(Namespaces.problem ?? "")"))
    func asPid1ItReapsOrphansAndNeedsNoInit() throws {
        let daemon = try DaemonUnderTest(
            [
                "--workers", "2", "--ready", "message", "python3", Products.worker, "if-generation", "1", "orphans",
                "50",
                "end", "if-generation", "2", "zombies", "end", "ready", "wait",
            ], under: Self.namespace)
        #expect(try daemon.next("started").pid == 1)
        try daemon.next("pool_ready")
        // Each orphan ended before its worker said that it is ready, and the daemon hears of ends in the order of the
        // loop: by the time that it reads the HUP all are reaped, and the next generation can look.
        try signal("HUP", to: daemon)
        try daemon.next("reload_done")
        try signal("TERM", to: daemon)
        #expect(try daemon.end() == 0)
        let said = daemon.otherLines
        #expect(said.filter { $0 == "parents 1 of 50" }.count == 2, "\(said)")
        #expect(said.filter { $0 == "orphans have ended" }.count == 2, "\(said)")
        #expect(said.filter { $0 == "zombies 0" }.count == 2, "\(said)")
    }

    @Test func asAnOrdinaryProcessItIsASubreaper() throws {
        let daemon = try DaemonUnderTest([
            "--workers", "1", "--ready", "message", "python3", Products.worker, "if-generation", "1", "orphans", "50",
            "end",
            "if-generation", "2", "zombies", "end", "ready", "wait",
        ])
        try daemon.next("pool_ready")
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        #expect(try daemon.stop() == 0)
        #expect(daemon.otherLines.contains("parents \(daemon.pid) of 50"), "\(daemon.otherLines)")
        #expect(daemon.otherLines.contains("zombies 0"), "\(daemon.otherLines)")
    }

    /// HUP, USR1, WINCH … are for the daemon; a worker hears of nothing but its own end.
    @Test(.disabled(if: Namespaces.problem != nil, "\(Namespaces.problem ?? "")"))
    func asPid1ItForwardsNothingWrongly() throws {
        let reports = ["HUP", "USR1", "USR2", "TTIN", "INT", "ALRM", "CONT"].flatMap { ["report", $0] }
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--ready", "message", "python3", Products.worker] + reports
                + ["report", "TERM", "ready", "if-generation", "2", "err", "second", "end", "wait"],
            under: Self.namespace)
        try daemon.next("pool_ready")
        // For PID 1 a signal without a handler is nothing; and what is handled says so in the log.
        for name in ["ALRM", "PIPE", "SEGV", "VTALRM", "IO"] { try signal(name, to: daemon) }
        try signal("PWR", to: daemon)
        try daemon.next("signal_ignored")
        try signal("USR1", to: daemon)
        try daemon.next("logs_reopened")
        try signal("HUP", to: daemon)
        try daemon.next("reload_done")
        // The old worker only says that it got TERM, and stays: the fast stop ends it.
        try signal("QUIT", to: daemon)
        #expect(try daemon.end() == 0)
        let heard = daemon.otherLines.filter { $0.hasPrefix("got ") }
        #expect(heard.allSatisfy { $0 == "got TERM" || $0 == "got CONT" }, "\(heard)")
    }

    /// From outside the namespace a process has no number inside, and is not the kernel for that. Clients of containers
    /// pass on what their terminal sends.
    @Test(.disabled(if: Namespaces.problem != nil, "\(Namespaces.problem ?? "")"))
    func whoSendsFromOutsideIsCalledThat() throws {
        let daemon = try DaemonUnderTest(["--workers", "1"] + Apps.readyShell, under: Self.namespace)
        try daemon.next("pool_ready")
        let pid = try hostPID(of: daemon)
        for _ in 0...1 { kill(pid, SIGWINCH) }
        let ignored = try daemon.next("signal_ignored")
        #expect(
            ignored.message.hasPrefix("SIGWINCH is ignored: it comes from outside this pid namespace"), "\(ignored)")
        kill(pid, SIGHUP)
        let asked = try daemon.next("reload_asked")
        #expect(asked.message == "reload asked for by a process outside this pid namespace")
        try daemon.next("reload_done")
        #expect(daemon.records("signal_ignored").count == 1 && daemon.records("draining_all").isEmpty)
        kill(pid, SIGTERM)
        #expect(try daemon.end() == 0)
    }

    @Test(
        .disabled(if: Namespaces.problem != nil, "\(Namespaces.problem ?? "")"),
        arguments: [("/nonexistent/app", Int32(127)), ("/etc/passwd", 126)])
    func asPid1ItsStatusSaysWhatIsWrong(program: String, status: Int32) throws {
        let daemon = try DaemonUnderTest([program], under: Self.namespace)
        #expect(try daemon.end() == status)
    }

    /// SIGKILL of PID 1 takes the whole namespace along: nobody's child is left to serve a port without a supervisor.
    @Test(.disabled(if: Namespaces.problem != nil, "\(Namespaces.problem ?? "")"))
    func theEndOfPid1IsTheEndOfItsWorkers() throws {
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            [
                "--listen", "127.0.0.1:\(port)", "--workers", "2", "python3", Products.worker, "ignore", "TERM",
                "ready", "serve",
            ],
            under: Self.namespace)
        try daemon.next("pool_ready")
        #expect(Network.get(port) != nil)
        // A PID 1 has ended only when all of its namespace has.
        let end = rl_pidfd_open(try hostPID(of: daemon))
        defer { close(end) }
        daemon.signal(SIGKILL)  // unshare, whose --kill-child does the rest
        var request = pollfd(fd: end, events: Int16(POLLIN), revents: 0)
        #expect(poll(&request, 1, ChildProcess.patienceMilliseconds) == 1)
        #expect(Network.get(port) == nil)
    }
}
