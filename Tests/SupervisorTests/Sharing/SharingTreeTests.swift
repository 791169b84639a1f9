// A worker's connections are those of its process tree; and a program that no filter sees is told of.
import Foundation
import Testing

@Suite struct SharingTreeTests {
    /// A wrapper has no connections itself.
    @Test func connectionsOfChildrenAreCounted() throws {
        let (folder, port) = (try TestFolder(), try Network.freePort())
        let gate = try Gate(in: folder)
        let app = try ControlledDaemon(SharedProgram.shell.words(port, in: folder), options: ["--workers", "1"])
        try app.daemon.next("pool_ready")
        let asker = try Asker(port, asking: "/gate?\(gate.path)")
        _ = try Asker(port, asking: "/", keepsAlive: true).answer()
        let slots = try #require(try app.ask("status").fields["slots"] as? [[String: Any]])
        let worker = try #require((slots.first?["workers"] as? [[String: Any]])?.first)
        #expect((worker["connections"] as? Int ?? 0) >= 1, "\(worker)")
        gate.letPass()
        #expect(try asker.answer() != nil)
        try app.daemon.endsClean()
    }

    /// A request that a grandchild answers holds its wrapper's drain.
    @Test func aRequestOfAChildIsWaitedFor() throws {
        let (folder, port) = (try TestFolder(), try Network.freePort())
        let gate = try Gate(in: folder)
        let daemon = try DaemonUnderTest(["--workers", "1"] + SharedProgram.shell.words(port, in: folder))
        try daemon.next("pool_ready")
        let worker = try #require(daemon.records("worker_ready").last?.pid)
        let asker = try Asker(port, asking: "/gate?\(gate.path)")
        _ = try Asker(port, asking: "/").answer()
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        gate.letPass()
        #expect(try asker.answer()?.generation == 1)
        try daemon.next("worker_exited") { $0.pid == worker }
        #expect(daemon.records("drain_timed_out").isEmpty)
        try daemon.endsClean()
    }

    /// It may bind and listen by its ring: to wait for two seconds of life would lose requests.
    @Test func aRingIsNamed() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--ready-timeout", "300ms", "--give-up", "1/10s", try BuiltPrograms.c("ring")])
        let failed = try daemon.next(of: ["worker_failed", "worker_said"])
        if daemon.otherLines.contains(where: { $0.hasPrefix("io_uring_setup") }) {
            try Test.cancel("io_uring is not permitted here")
        }
        #expect(failed.message.contains("io_uring"), "\(failed)")
        #expect(!failed.message.contains("--ready 2s"))
        #expect(try daemon.end() == 1)
    }

    /// The kernel's own bound.
    private static func most() throws -> Int {
        let text = try String(contentsOfFile: "/proc/sys/net/core/somaxconn", encoding: .utf8)
        return try #require(Int(text.prefix { $0.isNumber }))
    }

    /// As many connections wait as the larger of both numbers says.
    @Test(arguments: [([], 4096), (["--backlog", "300"], 300), (["--backlog", "3"], 128)])
    func theBacklogIsTheLarger(options: [String], least: Int) throws {
        let port = try Network.freePort()
        let most = try Self.most()
        let daemon = try DaemonUnderTest(
            ["--workers", "1"] + options
                + [Apps.python, "\(SharedProgram.folder)/ports.py", "tcp4", "\(port)"])
        try daemon.next("pool_ready")
        let run = try CommandRun.run(["ss", "-Hltn", "sport = :\(port)"])
        let fields = run.output.split(whereSeparator: \.isWhitespace)
        #expect(fields.count > 2 && Int(fields[2]) == min(least, most), "\(run.output)")
        try daemon.endsClean()
    }

    /// Sockets that are not connected have no flow for the kernel; each still has one worker, and all workers have
    /// some.
    @Test func datagramsAreSpreadByTheirSenders() throws {
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--workers", "3", "--share", "udp", "--ready", "1ms", Apps.python, "\(SharedProgram.folder)/ports.py"]
                + ["udp", "\(port)", "say", "bound"])
        try daemon.lines(3, thatStartWith: "bound")
        let program = """
            import socket
            for _ in range(60):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                    answers = set()
                    for _ in range(3):
                        s.sendto(b"?", ("127.0.0.1", \(port)))
                        answers.add(s.recv(100).decode())
                    print(*sorted(answers), sep=" and ")
            """
        let run = try CommandRun.run([Apps.python, "-c", program])
        let lines = run.output.split(separator: "\n")
        #expect(lines.count == 60 && !run.output.contains(" and "), "\(run.output) \(run.errors)")
        #expect(Set(lines).count == 3)
        try daemon.endsClean()
    }

    /// The third packet of a connection comes when its worker has been steered away from for a while.
    @Test(.enabled(if: Launcher.isRoot, "needs root"), .enabled(if: Namespaces.problem == nil))
    func handshakesUnderWayAreWaitedFor() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1", Apps.python, "\(SharedProgram.folder)/ports.py", "any4", "8080"],
            under: ["unshare", "--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"])
        try daemon.next("pool_ready")
        let client = try ChildProcess(
            ["nsenter", "-t", "\(daemon.pid)", "-n", Apps.python, "\(SharedProgram.folder)/slow-network.py", "8080"]
                + ["800"])
        #expect(try client.output.next() == "begun")
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        #expect(try client.output.next() == "answered")
        try daemon.endsClean()
    }
}
