// The end of a pool as clients see it: what was accepted is answered, and a connection that comes later is refused,
// never reset.
import Glibc
import Testing

@Suite struct SharingStopTests {
    /// Says how an attempt to connect ended.
    private static func attempt(_ port: Int) throws -> ChildProcess {
        try ChildProcess([
            Apps.python, "-c",
            """
            import errno, socket
            try: socket.create_connection(("127.0.0.1", \(port))).recv(1); print("connected")
            except OSError as error: print(errno.errorcode.get(error.errno, error))
            """,
        ])
    }

    private static func outcome(of attempt: ChildProcess) throws -> String? {
        let word = try attempt.output.next()
        try attempt.wait()
        return word
    }

    @Test(.enabled(if: Launcher.isRoot, "needs root, to steer connections to nobody"))
    func sharedPortsRefuseWhenAStopBegins() throws {
        let (folder, port) = (try TestFolder(), try Network.freePort())
        let gate = try Gate(in: folder)
        let daemon = try DaemonUnderTest(["--workers", "2"] + SharedProgram.threaded.words(port, in: folder))
        try daemon.next("pool_ready")
        let asker = try Asker(port, asking: "/gate?\(gate.path)")
        for _ in 0..<20 { _ = try Asker(port, asking: "/").answer() }
        daemon.signal(SIGTERM)
        try daemon.next("worker_draining")
        for _ in 0..<3 { #expect(try Self.outcome(of: Self.attempt(port)) == "ECONNREFUSED") }
        gate.letPass()
        #expect(try asker.answer() != nil)
        #expect(try daemon.end() == 0)
    }

    /// Some kernels let nobody but root attach a socket filter.
    private static let nobodyMayFilter: Bool = {
        let program = """
            import ctypes, socket, struct
            accept = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0xFFFFFFFF))
            socket.socket().setsockopt(socket.SOL_SOCKET, 26, struct.pack("HxxxxxxQ", 1, ctypes.addressof(accept)))
            """
        return (try? CommandRun.run(Launcher.asNobody + [Apps.python, "-c", program]).status) == 0
    }()

    /// Without rights the kernel does not refuse for us: a client that comes late waits for the last worker's end, and
    /// is refused then.
    @Test(
        .enabled(if: Launcher.isRoot, "needs root, to become somebody else"),
        .enabled(if: nobodyMayFilter, "this kernel lets only root attach socket filters"))
    func withoutRightsTheyAreRefusedAfterTheLastWorker() throws {
        let (folder, port) = (try TestFolder(), try Network.freePort())
        let gate = try Gate(in: folder)
        chmod(gate.path, 0o666)
        let copies = try Launcher.copyForEverybody(to: folder)
        let program = try folder.writeProgram("threaded.py", SharedProgram.text(of: "threaded.py"))
        let daemon = try DaemonUnderTest(
            ["--workers", "1", Apps.python, program, "\(port)"], under: Launcher.asNobody, executable: copies.daemon)
        try daemon.next("pool_ready")
        let asker = try Asker(port, asking: "/gate?\(gate.path)")
        _ = try Asker(port, asking: "/").answer()
        daemon.signal(SIGTERM)
        try daemon.next("worker_draining")
        let late = try Self.attempt(port)
        gate.letPass()
        #expect(try asker.answer() != nil)
        #expect(try daemon.end() == 0)
        #expect(try Self.outcome(of: late) == "ECONNREFUSED")
    }

    /// The kernel permits neither way to refuse: the log says so, and the stop goes on.
    @Test func whatCannotBeRefusedIsSaid() throws {
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--workers", "2", Apps.python, "\(SharedProgram.folder)/ports.py", "tcp4", "\(port)"],
            under: [try BuiltPrograms.c("confined"), "no-socket-filter"])
        try daemon.next("pool_ready")
        #expect(try Asker(port, asking: "/").answer() != nil)
        try daemon.endsClean()
        let told = daemon.records("not_refused")
        #expect(told.count == 1 && told.first?.level == "warning", "\(daemon.story)")
    }

    /// Listeners of the daemon are closed with its workers' own.
    @Test(arguments: ["shared", "slot", "unix"])
    func handedListenersAreNotHeldOpen(kind: String) throws {
        let (folder, port) = (try TestFolder(), try Network.freePort())
        let gate = try Gate(in: folder)
        let path = "\(folder.path)/socket"
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--listen", kind == "unix" ? "unix:\(path)" : "127.0.0.1:\(port)"]
                + (kind == "slot" ? ["--balance", "slot"] : [])
                + [Apps.python, "\(SharedProgram.folder)/handed.py"])
        try daemon.next("pool_ready")
        let address = kind == "unix" ? Client.Address.unix(path) : .ipv4("127.0.0.1", port)
        let asker = try Asker(address, asking: "/gate?\(gate.path)")
        #expect(Client.get(address) != nil, "the one before it has been accepted")
        daemon.signal(SIGTERM)
        try daemon.lines(1, thatStartWith: "closed its listener")
        for _ in 0..<3 {
            #expect(Client.connected(address) < 0)
            #expect(errno == (kind == "unix" ? ENOENT : ECONNREFUSED))
        }
        gate.letPass()
        #expect(try asker.answer() != nil)
        #expect(try daemon.end() == 0)
        daemon.leavesNothing()
    }

    /// WINCH is no stop: the listeners stay.
    @Test func aDrainedPoolKeepsItsListeners() throws {
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--listen", "127.0.0.1:\(port)", Apps.python, "\(SharedProgram.folder)/handed.py"])
        try daemon.next("pool_ready")
        daemon.signal(SIGWINCH)
        try daemon.next("worker_exited")
        let asker = try Asker(port, asking: "/")
        daemon.signal(SIGHUP)
        #expect(try asker.answer()?.generation == 2)
        try daemon.endsClean()
    }

    /// A stop in the middle of a reload: nobody serves, which is not what a failed reload says.
    @Test func aReloadThatAStopCutsShortSaysSo() throws {
        let (app, _) = try ControlledDaemon.withGate(["--workers", "2"])
        let environment = ChildProcess.plainEnvironment + ControlledDaemon.environment(of: app.folder)
        let client = try ChildProcess([Products.reloaderd, "reload"], environment: environment)
        try app.daemon.next("reload_began")
        app.daemon.signal(SIGTERM)
        let run = try client.finished()
        #expect(run.status == 5, "\(run.errors)")
        #expect(run.errors.contains("no worker serves any more"))
        #expect(try app.daemon.end() == 0)
    }
}
