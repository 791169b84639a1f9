// What --listen opens, for clients and for workers; and what it refuses, in one line and before anything is started.
import Foundation
import Testing

@Suite struct ListenerTests {
    /// worker.py answers on descriptor 3.
    private static let serving = ShownWorker.program + ["show", "ready", "serve"]

    private func started(_ options: [String]) throws -> (DaemonUnderTest, ShownWorker) {
        let (daemon, worker) = try DaemonUnderTest.showing(options, program: Self.serving)
        try daemon.next("pool_ready")
        return (daemon, worker)
    }

    @Test func aBarePortAnswersInBothFamilies() throws {
        let port = try Network.freePort()
        let (daemon, worker) = try started(["--listen", "\(port)"])
        #expect(worker.sockets[3]?.family == "AF_INET6")
        #expect(Client.get(.ipv4("127.0.0.1", port))?.contains("slot=0") == true)
        #expect(Client.get(.ipv6("::1", port))?.contains("slot=0") == true)
        #expect(try daemon.stop() == 0)
        #expect(Client.get(.ipv4("127.0.0.1", port)) == nil)
    }

    @Test func anAddressAnswersInItsFamilyOnly() throws {
        let (daemon, worker) = try started(["--listen", "127.0.0.1:0"])
        let port = try #require(worker.sockets[3]?.port)
        #expect(worker.sockets[3]?.family == "AF_INET")
        #expect(Client.get(.ipv4("127.0.0.1", port))?.contains("slot=0") == true)
        #expect(Client.get(.ipv6("::1", port)) == nil)
        #expect(try daemon.stop() == 0)

        let (daemon6, worker6) = try started(["--listen", "[::1]:0"])
        let port6 = try #require(worker6.sockets[3]?.port)
        #expect(worker6.sockets[3]?.name == "::1")
        #expect(Client.get(.ipv6("::1", port6))?.contains("slot=0") == true)
        #expect(Client.get(.ipv4("127.0.0.1", port6)) == nil)
        #expect(try daemon6.stop() == 0)
    }

    @Test func aUnixSocketIsForEverybodyAndGoesWithTheDaemon() throws {
        let folder = try TestFolder()
        let path = "\(folder.path)/socket"
        let (daemon, _) = try started(["--listen", "unix:\(path)"])
        var status = stat()
        #expect(stat(path, &status) == 0)
        #expect(status.st_mode == S_IFSOCK | 0o666)
        #expect(Client.get(.unix(path))?.contains("slot=0") == true)
        #expect(try daemon.stop() == 0)
        #expect(!folder.contains("socket"))
    }

    @Test func anAbstractUnixSocketNeedsNoFile() throws {
        let name = "@reloaderd-test-\(UUID().uuidString)"
        let (daemon, worker) = try started(["--listen", "unix:\(name)"])
        #expect(worker.sockets[3]?.name == name)
        #expect(Client.get(.unix(name))?.contains("slot=0") == true)
        #expect(try daemon.stop() == 0)
    }

    @Test func datagramSocketsComeBoundAndInTheirPlace() throws {
        let (daemon, worker) = try DaemonUnderTest.showing(
            [
                "--listen", "dns=udp:127.0.0.1:0", "--listen", "udp:[::1]:0", "--listen", "udp:0", "--listen",
                "web=127.0.0.1:0",
            ])
        #expect((3...6).map { worker.sockets[$0]?.type } == ["SOCK_DGRAM", "SOCK_DGRAM", "SOCK_DGRAM", "SOCK_STREAM"])
        #expect((3...6).map { worker.sockets[$0]?.family } == ["AF_INET", "AF_INET6", "AF_INET6", "AF_INET"])
        #expect((3...6).allSatisfy { worker.sockets[$0].map { $0.port > 0 } == true })
        #expect(worker.env["LISTEN_FDNAMES"] == "dns:unknown:unknown:web")
        #expect(try daemon.stop() == 0)
    }

    @Test func theBacklogReachesTheKernel() throws {
        let (daemon, worker) = try DaemonUnderTest.showing(["--backlog", "17", "--listen", "127.0.0.1:0"])
        let port = try #require(worker.sockets[3]?.port)
        // ss(8): the Send-Q of a listening socket is its backlog.
        let run = try CommandRun.run(["/usr/bin/ss", "-Hltn", "sport = :\(port)"])
        #expect(run.output.split(separator: " ").prefix(3) == ["LISTEN", "0", "17"], "\(run.output)\(run.errors)")
        #expect(try daemon.stop() == 0)
    }

    // MARK: what is there already

    @Test func aStaleUnixSocketIsReplaced() throws {
        let folder = try TestFolder()
        let path = "\(folder.path)/socket"
        try TestListener.leaveStale(at: path)
        #expect(folder.contains("socket"))
        let (daemon, _) = try started(["--listen", "unix:\(path)"])
        #expect(Client.get(.unix(path))?.contains("slot=0") == true)
        #expect(try daemon.stop() == 0)
    }

    @Test func aLiveUnixSocketIsRefused() throws {
        let folder = try TestFolder()
        let path = "\(folder.path)/socket"
        let live = try TestListener(at: path)
        defer { withExtendedLifetime(live) {} }
        try expectRefusal(
            ["--listen", "unix:\(path)"],
            "cannot listen on unix:\(path): another process listens there (stop it, or choose another path)")
        #expect(folder.contains("socket"), "it is not ours to remove")
    }

    @Test func aFileThatIsNoSocketIsRefused() throws {
        let folder = try TestFolder()
        let path = try folder.write("file", "precious")
        try expectRefusal(
            ["--listen", "unix:\(path)"],
            "cannot listen on unix:\(path): the file there is not a socket (move it away, or choose another path)")
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
    }

    /// With the other listeners' files gone again.
    @Test func aPortInUseIsRefused() throws {
        let folder = try TestFolder()
        let (daemon, worker) = try DaemonUnderTest.showing(["--listen", "127.0.0.1:0"])
        let port = try #require(worker.sockets[3]?.port)
        try expectRefusal(
            ["--listen", "unix:\(folder.path)/socket", "--listen", "127.0.0.1:\(port)"],
            "cannot listen on 127.0.0.1:\(port): Address already in use by reloaderd (pid \(daemon.pid))"
        )
        #expect(!folder.contains("socket"), "what was opened before is taken back")
        #expect(try daemon.stop() == 0)
    }

    /// The file is gone, whatever the reason why nothing was started.
    @Test func aDaemonThatDoesNotStartLeavesNoSocketFile() throws {
        let folder = try TestFolder()
        let listen = ["--listen", "unix:\(folder.path)/socket"]
        #expect(try CommandRun.reloaderd(listen + ["/no/such/program"]).status == 127)
        #expect(!folder.contains("socket"))
        #expect(try CommandRun.reloaderd(listen + ["--pid-file", "/no/such/directory/file", "/bin/true"]).status == 1)
        #expect(!folder.contains("socket"))
    }

    @Test(arguments: [
        ("192.0.2.1:8080", "Cannot assign requested address (this machine has no such address)"),
        ("unix:/no/such/directory/socket", "No such file or directory (its directory does not exist)"),
    ])
    func anAddressThatCannotBeHad(_ address: String, _ reason: String) throws {
        try expectRefusal(["--listen", address], "cannot listen on \(address): \(reason)")
    }

    private func expectRefusal(_ options: [String], _ message: String, at location: SourceLocation = #_sourceLocation)
        throws
    {
        let folder = try TestFolder()
        let run = try CommandRun.reloaderd(options + ["/bin/sh", "-c", "echo > \(folder.path)/started"])
        #expect(run.status == 1, sourceLocation: location)
        #expect(run.errors == "reloaderd: \(message)\n", sourceLocation: location)
        #expect(!folder.contains("started"), "nothing may be started", sourceLocation: location)
    }

    // MARK: privileged ports

    /// On a machine that lets nobody but root have them.
    static let areLowPortsPrivileged: Bool =
        (try? String(contentsOfFile: "/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding: .utf8))
        .flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }.map { $0 > 1000 } == true

    @Test(.enabled(if: Launcher.isRoot && areLowPortsPrivileged))
    func aPrivilegedPortWithoutRights() throws {
        let folder = try TestFolder()
        let copies = try Launcher.copyForEverybody(to: folder)
        let run = try CommandRun.run(
            Launcher.words + ["user", "65534", "65534", "--", copies.daemon, "--listen", "127.0.0.1:999", "/bin/true"])
        #expect(run.status == 1)
        #expect(run.errorLines.count == 1)
        #expect(
            run.errors.hasPrefix(
                "reloaderd: cannot listen on 127.0.0.1:999: Permission denied (ports below 1024 need "
                    + "CAP_NET_BIND_SERVICE"
            ))
    }

    /// Bound by root; served by a user without rights, with its own groups and its own name.
    @Test(.enabled(if: Launcher.isRoot && areLowPortsPrivileged))
    func aPrivilegedPortIsBoundBeforeTheUserChanges() throws {
        let folder = try TestFolder()
        let copies = try Launcher.copyForEverybody(to: folder)
        // Another run of this test uses another.
        let address = "127.0.\(Int.random(in: 1...250)).\(Int.random(in: 1...250))"
        let (daemon, worker) = try DaemonUnderTest.showing(
            ["--user", "nobody", "--listen", "\(address):80"], program: copies.worker + ["show", "ready", "serve"],
            environment: ChildProcess.plainEnvironment + ["HOME=/root", "USER=root", "LOGNAME=root"], directory: "/")
        try daemon.next("pool_ready")
        #expect(worker.uid == Launcher.nobody)
        #expect(worker.gid == 65534)
        #expect(worker.groups == [])
        #expect(worker.env["USER"] == "nobody")
        #expect(worker.env["LOGNAME"] == "nobody")
        #expect(worker.env["HOME"] == "/nonexistent")
        #expect(worker.sockets[3]?.port == 80)
        #expect(Client.get(.ipv4(address, 80))?.contains("slot=0") == true)
        #expect(try daemon.stop() == 0)
    }
}
