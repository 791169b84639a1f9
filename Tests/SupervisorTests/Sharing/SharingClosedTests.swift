// What a worker closes is closed: nobody comes to a socket that only the daemon still has.
import Glibc
import Testing

@Suite struct SharingClosedTests {
    private func daemon(_ words: [String], _ options: [String] = [], workers: Int = 2) throws -> DaemonUnderTest {
        try DaemonUnderTest(
            ["--workers", "\(workers)", "--backoff", "10ms"] + options
                + [Apps.python, "\(SharedProgram.folder)/ports.py"] + words)
    }

    /// Looks whether its port is free on one address, then serves on all: the first must not stay where it is more to
    /// the point than the second.
    @Test func aProbeOfAnotherAddressTakesNoConnections() throws {
        let port = try Network.freePort()
        let daemon = try daemon(["probe", "\(port)", "any4", "\(port)", "say", "serves"])
        try daemon.lines(2, thatStartWith: "serves")
        for _ in 0..<2 {
            for _ in 0..<20 { #expect(try Asker(port, asking: "/").answer() != nil) }
            #expect(try ListeningSockets.inodes(on: port).count == 2)
            try daemon.holdsNoListenerAlone()
            daemon.signal(SIGHUP)
            try daemon.next("reload_done")
            try daemon.drained()
        }
        try daemon.endsClean()
    }

    /// Under load: from the second generation on the daemon knows not to send clients to the first listener.
    @Test(arguments: ["any4", "tcp4"])
    func probesLoseNoRequest(kind: String) throws {
        let port = try Network.freePort()
        let daemon = try daemon(["probe", "\(port)", kind, "\(port)", "say", "serves"], workers: 3)
        try daemon.lines(3, thatStartWith: "serves")
        let client = try SharingLoad.client(port)
        for _ in 0..<4 {
            daemon.signal(SIGHUP)
            try daemon.next("reload_done")
        }
        let report = try SharingLoad.report(of: client)
        #expect(report.failed == 0 && report.clientErrors == 0, "\(report.columns) \(report.failures)")
        try daemon.drained()
        try daemon.holdsNoListenerAlone()
        try daemon.endsClean()
    }

    /// It was seen to probe, so its first listener does not make it ready; and that is all that this one ever has.
    @Test func aProbeIsNotReadiness() throws {
        let port = try Network.freePort()
        let daemon = try daemon(
            ["probe", "\(port)", "fail-from", "2", "tcp4", "\(port)", "say", "serves"], workers: 1)
        try daemon.lines(1, thatStartWith: "serves")
        daemon.signal(SIGHUP)
        try daemon.next(of: ["reload_failed", "reload_done"])
        #expect(daemon.records("reload_done").isEmpty, "\(daemon.story)")
        #expect(try Asker(port, asking: "/").answer()?.generation == 1)
        try daemon.endsClean()
    }

    /// A listener that is closed, and never followed by another, doesn't either: the replacement fails when its time is
    /// up.
    @Test func aClosedProbeIsNoReadinessLater() throws {
        let port = try Network.freePort()
        let gate = try TestFolder()
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--ready-timeout", "4s"]
                + Apps.shell(
                    "if [ $RELOADERD_GENERATION = 1 ]; then exec \(Apps.python) \(SharedProgram.folder)/ports.py "
                        + "probe \(port) tcp4 \(port) say serves; fi; "
                        + "exec \(Apps.python) \(SharedProgram.folder)/ports.py probe \(port) unix \(gate.path)/socket")
        )
        try daemon.lines(1, thatStartWith: "serves")
        daemon.signal(SIGHUP)
        try daemon.next(of: ["reload_failed", "reload_done"])
        #expect(daemon.records("reload_done").isEmpty, "\(daemon.story)")
        try daemon.endsClean()
    }

    /// A worker that lives on without its listener gets no connections, as soon as somebody has waited there in vain.
    @Test func aWorkerThatClosesItsListenerIsLeftOut() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--workers", "2"]
                + Apps.shell(
                    "[ $RELOADERD_SLOT = 1 ] || set -- close \(gate.path); "
                        + "exec \(Apps.python) \(SharedProgram.folder)/ports.py tcp4 \(port) \"$@\""))
        try daemon.next("pool_ready")
        gate.letPass()
        try daemon.lines(1, thatStartWith: "closed")
        // Half of these come to the closed one, and wait there until that is noticed.
        let askers = try (0..<20).map { _ in try Asker(port, asking: "/") }
        #expect(try daemon.next("worker_closed").slot == 0)
        for _ in 0..<40 { #expect(try Asker(port, asking: "/").answer()?.slot == 1) }
        // No worker takes them over: they end, as they would have with the socket. All others are answered.
        let slots = try askers.map { try $0.answer()?.slot }
        #expect(slots.contains(1) && slots.contains(nil) && !slots.contains(0))
        try daemon.next("queue_lost")
        try daemon.holdsNoListenerAlone()
        #expect(daemon.records("worker_exited").isEmpty, "it lives on")
        // Its replacement listens again.
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        #expect(Set(try (0..<40).map { _ in try Asker(port, asking: "/").answer()?.slot }).count == 2)
        try daemon.endsClean()
    }

    /// As above, with a kernel that is told to give what waits to another worker.
    @Test(.enabled(if: Launcher.isRoot, "needs root"), .enabled(if: Namespaces.problem == nil))
    func theKernelMayGiveWhatWaitsToOthers() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let daemon = try DaemonUnderTest(
            ["--workers", "2"]
                + Apps.shell(
                    "[ $RELOADERD_SLOT = 1 ] || set -- close \(gate.path); "
                        + "exec \(Apps.python) \(SharedProgram.folder)/ports.py tcp4 8080 \"$@\""),
            under: [
                "unshare", "--net", "sh", "-c",
                "ip link set lo up && echo 1 >/proc/sys/net/ipv4/tcp_migrate_req && exec \"$@\"", "sh",
            ])
        try daemon.next("pool_ready")
        gate.letPass()
        try daemon.lines(1, thatStartWith: "closed")
        let program = """
            import re, socket
            clients = [socket.create_connection(("127.0.0.1", 8080)) for _ in range(20)]
            for client in clients: client.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
            for client in clients:
                try: print(re.search("slot=.", client.recv(1000).decode()).group())
                except OSError as error: print(error)
            """
        let client = try ChildProcess(["nsenter", "-t", "\(daemon.pid)", "-n", Apps.python, "-c", program])
        try daemon.next("worker_closed")
        #expect(try client.output.rest() == Array(repeating: "slot=1", count: 20))
        try client.wait()
        try daemon.endsClean()
        // The log doesn't say that they are lost for certain.
        #expect(daemon.records("queue_lost").allSatisfy { $0.message.contains("unless") }, "\(daemon.story)")
    }

    /// A connection that a worker makes from a port that it has bound ends when the worker closes it.
    @Test func aConnectionFromABoundPortEnds() throws {
        let server = try TestListener()
        let daemon = try daemon(["call", "\(server.port)", "tcp4", "\(try Network.freePort())"], workers: 1)
        try daemon.next("pool_ready")
        let connection = try server.accept()
        defer { close(connection) }
        try Patience.waitForInput(on: connection, orSay: "the connection does not end")
        var byte: UInt8 = 0
        #expect(read(connection, &byte, 1) == 0)
        try daemon.endsClean()
    }

    @Test func shortLivedListenersLeaveNothing() throws {
        let port = try Network.freePort()
        let daemon = try daemon(["brief", "3000", "tcp4", "\(port)", "say", "serves"], workers: 1)
        try daemon.lines(1, thatStartWith: "serves")
        #expect(try Asker(port, asking: "/").answer() != nil)
        // As many connections as with a worker that never did that.
        let other = try self.daemon(["tcp4", "\(try Network.freePort())", "say", "serves"], workers: 1)
        try other.lines(1, thatStartWith: "serves")
        try daemon.hearsAll()
        try other.hearsAll()
        #expect(daemon.descriptorCount == other.descriptorCount)
        try daemon.holdsNoListenerAlone()
        try daemon.endsClean()
        try other.endsClean()
    }

    /// Its replacement has another port: no worker has the old one.
    @Test func aRandomPortGoesWithItsWorker() throws {
        let daemon = try daemon(["random"], workers: 1)
        var worker = try #require(try daemon.next("worker_ready").pid)
        let count = daemon.descriptorCount
        for number in 1...3 {
            try daemon.lines(number, thatStartWith: "random")
            let port = try #require(daemon.ports.last)
            kill(worker, SIGKILL)
            worker = try #require(try daemon.next("worker_ready").pid)
            #expect(try ListeningSockets.inodes(on: port).isEmpty)
        }
        try daemon.hearsAll()
        #expect(daemon.descriptorCount == count)
        try daemon.holdsNoListenerAlone()
        try daemon.endsClean()
    }

    /// A program that binds and does not listen: from some number on its sockets are its own.
    @Test(.enabled(if: Launcher.isRoot, "needs root"), .enabled(if: Namespaces.problem == nil))
    func boundSocketsAreBounded() throws {
        let script = """
            import os, resource, signal, socket
            resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
            with open("/proc/sys/net/ipv4/ip_local_port_range") as file: top = int(file.read().split()[0])
            sockets, port = [], top
            while len(sockets) < 1100:
                port -= 1
                s = socket.socket()
                try: s.bind(("127.0.0.1", port))
                except OSError: continue
                sockets.append(s)
            shared = [s.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) for s in sockets]
            os.write(2, f"shared {sum(shared)} {sum(shared[:1024])}\\n".encode())
            signal.pause()
            """
        // In a network of its own, it takes no port that another test was promised.
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--ready", "1ms", Apps.python, "-IS", "-c", script],
            under: ["unshare", "--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"])
        try daemon.lines(1, thatStartWith: "shared")
        #expect(daemon.otherLines.contains("shared 1024 1024"), "\(daemon.otherLines)")
        try daemon.endsClean()
    }

    /// More than are held here: all of them serve, and the daemon's descriptors have a bound.
    @Test func copiesAreBounded() throws {
        let port = try Network.freePorts(300)
        let daemon = try daemon(["many", "\(port)", "300", "say", "serves"], workers: 1)
        try daemon.lines(1, thatStartWith: "serves")
        // Copies of 256, and what the daemon holds in reserve.
        #expect(daemon.descriptorCount < 340)
        for offset in [0, 150, 255, 256, 299] { #expect(try Asker(port + offset, asking: "/").answer() != nil) }
        try daemon.endsClean()
    }
}

extension DaemonUnderTest {
    /// Those that ports.py has said to have chosen.
    fileprivate var ports: [Int] {
        otherLines.compactMap { line in
            let words = line.split(separator: " ")
            return words.first == "random" ? words.dropFirst().first.flatMap { Int($0) } : nil
        }
    }
}
