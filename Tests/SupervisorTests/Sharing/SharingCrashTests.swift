// A worker is killed while connections wait in its queue: its replacement answers all of them.
import Glibc
import Testing

@Suite struct SharingCrashTests {
    /// How many connections wait; no program here asks for a shorter queue.
    private static let waiting = 48

    @Test(arguments: SharedProgram.quick)
    func whatWaitsIsServedByTheReplacement(program: SharedProgram) throws {
        try kill(oneOf: 1, of: program)
    }

    @Test(arguments: SharedProgram.quick)
    func whatWaitsForOneOfManyIsServed(program: SharedProgram) throws {
        try kill(oneOf: 4, of: program)
    }

    /// A socket that was handed over once is handed over again.
    @Test func whatWaitsIsServedByOneReplacementAfterTheOther() throws {
        let folder = try TestFolder()
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--backoff", "10ms"] + SharedProgram.threads.words(port, in: folder))
        var victim = try #require(try daemon.next("worker_ready").pid)
        for _ in 0..<3 {
            try ProcessGroup.stop(victim)
            let askers = try (0..<8).map { _ in try Asker(port, asking: "/") }
            Glibc.kill(-victim, SIGKILL)
            let replacement = try #require(try daemon.next("worker_ready").pid)
            // Before the next kill: what a worker has accepted dies with it.
            for asker in askers { #expect(try asker.answer()?.pid == replacement) }
            victim = replacement
        }
        try daemon.endsClean()
    }

    /// The daemon is killed: a worker serves on; what it prints meets a pipe that nobody reads, and it binds no more.
    @Test(arguments: ["relay", "inherit"])
    func aWorkerOutlivesItsDaemon(output: String) throws {
        let folder = try TestFolder()
        let fifo = try Fifo(in: folder)
        let port = try Network.freePort()
        let program = """
            import errno, os, socket, sys
            def outcome(call):
                try: call()
                except OSError as error: return errno.errorcode[error.errno]
                return "done"
            server = socket.create_server(("127.0.0.1", \(port)))
            other = socket.socket()
            connection = server.accept()[0]
            connection.recv(100)
            words = [outcome(lambda: other.bind(("127.0.0.1", 0))), outcome(lambda: server.listen()),
                     outcome(lambda: os.write(1, b"printed\\n")), outcome(lambda: os.write(2, b"printed\\n"))]
            connection.sendall(b"served")
            with open("\(fifo.path)", "w") as fifo: print(*words, file=fifo)
            os._exit(0)
            """
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--output", output, Apps.python, "-IS", "-c", program])
        let worker = try ProcessView(try #require(try daemon.next("worker_ready").pid))
        daemon.signal(SIGKILL)
        #expect(try daemon.process.wait() == 128 + SIGKILL)
        let client = try Dialogue(port)
        client.say("?")
        #expect(try client.hear("served") != nil)
        let printed = output == "inherit" ? "done done" : "EPIPE EPIPE"
        #expect(try fifo.lines.next() == "ENOSYS ENOSYS \(printed)")
        try worker.waitForEnd()
    }

    private func kill(oneOf count: Int, of program: SharedProgram) throws {
        let folder = try TestFolder()
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--workers", "\(count)", "--backoff", "10ms"] + program.words(port, in: folder))
        try daemon.next("pool_ready")
        let victim = try #require(daemon.records("worker_ready").first?.pid)
        // It has served: all its threads wait in the calls in which they will always wait.
        #expect(try Asker(port, asking: "/").answer() != nil)
        // A daemon that runs would send all that comes to those that run.
        daemon.signal(SIGSTOP)
        try ProcessGroup.stop(victim)
        let askers = try (0..<Self.waiting).map { _ in try Asker(port, asking: "/") }
        Glibc.kill(-victim, SIGKILL)
        daemon.signal(SIGCONT)
        let replacement = try #require(try daemon.next("worker_ready").pid)
        let answers = try askers.map { try $0.answer() }
        #expect(answers.allSatisfy { $0 != nil }, "\(answers.count { $0 == nil }) of \(Self.waiting) failed")
        #expect(answers.contains { $0?.pid == replacement }, "some have waited for it")
        #expect(!answers.contains { $0?.pid == victim })
        try daemon.endsClean()
    }
}
