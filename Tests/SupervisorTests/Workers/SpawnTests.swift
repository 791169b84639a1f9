// What a worker's process is made of: descriptors, signals, process group, and nothing that somebody else left lying
// about.
import Glibc
import Testing

@Suite struct SpawnTests {
    /// 0 from /dev/null, stdout, stderr, listeners in order, READY_FD: all there is.
    private func expectExactlyItsOwn(_ worker: ShownWorker, listeners: Int) {
        #expect(worker.fds.keys.sorted() == Array(0...(3 + listeners)))
        #expect(worker.fds[0] == "/dev/null")
        for number in 3..<(3 + listeners) { #expect(worker.fds[number]?.hasPrefix("socket:") == true) }
        #expect(worker.fds[3 + listeners]?.hasPrefix("pipe:") == true)
        #expect(worker.env["READY_FD"] == "\(3 + listeners)")
        #expect(worker.env["LISTEN_FDS"] == (listeners == 0 ? nil : "\(listeners)"))
        #expect(worker.env["LISTEN_PID"] == (listeners == 0 ? nil : "\(worker.pid)"))
    }

    @Test(arguments: ["relay", "inherit"])
    func aWorkerHasExactlyItsOwnDescriptors(_ output: String) throws {
        let (daemon, worker) = try DaemonUnderTest.showing(
            ["--output", output, "--listen", "127.0.0.1:0", "--listen", "web=127.0.0.1:0"])
        expectExactlyItsOwn(worker, listeners: 2)
        let own = try [1, 2].map { try DescriptorLink.target(of: $0, in: daemon.pid) }
        for number in [1, 2] {
            #expect(
                (worker.fds[number] == own[number - 1]) == (output == "inherit"),
                "relayed through a pipe of its own, or the daemon's")
            #expect(worker.fds[number]?.hasPrefix("pipe:") == true)
        }
        #expect(worker.fds[1] != worker.fds[2])
        #expect(try daemon.stop() == 0)
    }

    @Test func withoutListenersReadyComesThird() throws {
        let (daemon, worker) = try DaemonUnderTest.showing()
        expectExactlyItsOwn(worker, listeners: 0)
        #expect(try daemon.stop() == 0)
    }

    @Test(arguments: ["relay", "inherit"])
    func descriptorsThatTheDaemonInheritedUnknowinglyStayOut(_ output: String) throws {
        let (daemon, worker) = try DaemonUnderTest.showing(
            ["--output", output, "--listen", "127.0.0.1:0"],
            under: ["junk", "3", "junk", "4", "junk", "7", "junk", "9", "junk", "50"])
        expectExactlyItsOwn(worker, listeners: 1)
        #expect(try daemon.stop() == 0)
    }

    @Test(arguments: [[0], [1], [2], [0, 1], [0, 1, 2]])
    func closedStandardDescriptorsAreFilledFirst(_ closed: [Int]) throws {
        let folder = try TestFolder()
        let fifo = try Fifo(in: folder)
        let daemon = try ChildProcess(
            Launcher.words + closed.flatMap { ["close", "\($0)"] } + [
                "--", Products.reloaderd, "--control", "none", "-w", "1", "--listen", "127.0.0.1:0", "--output",
                "inherit",
            ]
                + ShownWorker.program + ["show-to", fifo.path, "ready", "wait"])
        let line = try fifo.lines.next()
        let worker = try ShownWorker(line: try #require(line))
        expectExactlyItsOwn(worker, listeners: 1)
        if closed.contains(1) { #expect(worker.fds[1] == "/dev/null") }
        daemon.signal(SIGTERM)
        #expect(try daemon.wait() == 0)
    }

    @Test func fortyListenersKeepTheirOrderAndNames() throws {
        let folder = try TestFolder()
        let options = (0..<40).flatMap { ["--listen", ($0 % 2 == 0 ? "n\($0)=" : "") + "unix:\(folder.path)/\($0)"] }
        let (daemon, worker) = try DaemonUnderTest.showing(options)
        expectExactlyItsOwn(worker, listeners: 40)
        #expect((0..<40).map { worker.sockets[3 + $0]?.name } == (0..<40).map { "\(folder.path)/\($0)" })
        let names = (0..<40).map { $0 % 2 == 0 ? "n\($0)" : "unknown" }
        #expect(worker.env["LISTEN_FDNAMES"] == names.joined(separator: ":"))
        #expect(try daemon.stop() == 0)
        #expect((0..<40).allSatisfy { !folder.contains("\($0)") }, "the sockets' files are gone")
    }

    /// Also with the others' channels open, after a reload, and if the daemon has no numbers to spare (moved() in
    /// FileDescriptor.swift).
    @Test(arguments: [96, 4096])
    func noneOfTheOthersDescriptorsReachAWorker(_ limit: Int) throws {
        let folder = try TestFolder()
        let fifo = try Fifo(in: folder)
        let daemon = try DaemonUnderTest(
            ["-w", "6", "--listen", "127.0.0.1:0"] + ShownWorker.program + ["show-to", fifo.path, "ready", "wait"],
            under: Launcher.words + ["limit", "nofile", "\(limit)", "\(limit)", "--"])
        try daemon.next("pool_ready")
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        for _ in 0..<12 {
            let line = try fifo.lines.next()
            expectExactlyItsOwn(try ShownWorker(line: try #require(line)), listeners: 1)
        }
        #expect(try daemon.stop() == 0)
    }

    /// Python ignores SIGPIPE and SIGXFSZ itself, so the worker here is something plainer.
    @Test func signalsAreCleanWhateverTheDaemonWasBornWith() throws {
        let blocked = ["HUP", "TERM", "CHLD", "USR1", "ALRM", "RTMAX"].flatMap { ["block", $0] }
        let ignored = ["HUP", "INT", "QUIT", "CHLD", "PIPE", "TERM", "USR2", "WINCH", "RTMIN"].flatMap {
            ["ignore", $0]
        }
        let (daemon, status) = try Self.statusOfPlainWorker(under: Launcher.words + blocked + ignored + ["--"])
        #expect(status["SigBlk"] == "0000000000000000")
        #expect(status["SigIgn"] == "0000000000000000")
        #expect(status["SigCgt"] == "0000000000000000")
        #expect(try daemon.stop() == 0, "SIGTERM was blocked and ignored, and is heard all the same")
    }

    @Test(arguments: [["nohup"], ["/bin/sh", "-c", "trap '' INT TERM; exec \"$@\"", "sh"]])
    func noShellsHabitsReachAWorker(_ wrapper: [String]) throws {
        let (daemon, status) = try Self.statusOfPlainWorker(under: wrapper)
        #expect(status["SigBlk"] == "0000000000000000")
        #expect(status["SigIgn"] == "0000000000000000")
        #expect(try daemon.stop() == 0)
    }

    @Test func eachWorkerLeadsItsOwnProcessGroup() throws {
        let (daemon, worker) = try DaemonUnderTest.showing()
        #expect(worker.pgid == worker.pid)
        #expect(worker.ppid == daemon.pid)
        #expect(try daemon.next("worker_ready").pid == worker.pid)
        #expect(try daemon.stop() == 0)
    }

    /// The daemon with one worker that prints /proc/self/status and stays.
    private static func statusOfPlainWorker(under wrapper: [String]) throws -> (DaemonUnderTest, [String: String]) {
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--ready", "1ms", "/bin/sh", "-c", "cat /proc/self/status; echo end; exec sleep 1000"],
            under: wrapper)
        var status: [String: String] = [:]
        while let line = try daemon.process.output.next(), line != "end" {
            let parts = line.split(separator: ":\t", maxSplits: 1)
            if parts.count == 2 { status[String(parts[0])] = String(parts[1]) }
        }
        return (daemon, status)
    }
}
