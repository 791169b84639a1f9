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

    /// What the README says of a daemon that is killed: its workers serve on, and bind and listen have nobody to ask.
    @Test func workersOfAKilledDaemonServeAndCannotListen() throws {
        let folder = try TestFolder()
        let port = try Network.freePort()
        let gate = try Gate(in: folder)
        let fifo = try Fifo(in: folder)
        let code = """
            import errno, os, socket, sys
            served = socket.create_server(("127.0.0.1", \(port)))
            bound = socket.socket()
            open(sys.argv[1]).readline()
            told = []
            for call in (lambda: bound.bind(("127.0.0.1", 0)), lambda: bound.listen()):
                try: told.append(str(call()))
                except OSError as error: told.append(errno.errorcode[error.errno])
            print(*told, file=open(sys.argv[2], "w"))
            connection, _ = served.accept()
            connection.sendall(b"still here")
            """
        let daemon = try DaemonUnderTest(["--workers", "1", Apps.python, "-ISc", code, gate.path, fifo.path])
        let worker = try ProcessView(try #require(try daemon.next("worker_ready").pid))
        daemon.signal(SIGKILL)
        try daemon.process.wait()
        gate.letPass()
        #expect(try fifo.lines.next() == "ENOSYS ENOSYS")
        let client = Client.connected(.ipv4("127.0.0.1", port))
        defer { close(client) }
        var answer = [UInt8](repeating: 0, count: 100)
        let count = recv(client, &answer, answer.count, Int32(MSG_WAITALL))
        #expect(String(decoding: answer.prefix(max(0, count)), as: UTF8.self) == "still here")
        try worker.waitForEnd()
    }

    private func kill(oneOf count: Int, of program: SharedProgram) throws {
        let folder = try TestFolder()
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--workers", "\(count)", "--backoff", "10ms"] + program.words(port, in: folder))
        try daemon.next("pool_ready")
        let victim = try #require(daemon.records("worker_ready").first?.pid)
        // It has served: all its threads wait where they will.
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
