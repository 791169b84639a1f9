// What a worker is told by variables, and what it is not.
import Testing

@testable import Supervisor

@Suite struct WorkerEnvironmentTests {
    @Test func eachWorkerKnowsItsPlace() throws {
        let folder = try TestFolder()
        let fifo = try Fifo(in: folder)
        let daemon = try DaemonUnderTest(
            ["-w", "3", "--surge", "1", "--name", "shop"] + ShownWorker.program + [
                "show-to", fifo.path, "ready", "wait",
            ])
        try daemon.next("pool_ready")
        var slots: Set<String> = []
        for _ in 0..<3 {
            let worker = try ShownWorker(line: try #require(try fifo.lines.next()))
            slots.insert(worker.env["RELOADERD_SLOT"] ?? "")
            #expect(worker.env["RELOADERD_GENERATION"] == "1")
            #expect(worker.env["RELOADERD_WORKERS"] == "3")
            #expect(worker.env["RELOADERD_NAME"] == "shop")
        }
        #expect(slots == ["0", "1", "2"])
        daemon.signal(1)
        try daemon.next("reload_done")
        for slot in ["0", "1", "2"] {  // a surge of one: in order
            let worker = try ShownWorker(line: try #require(try fifo.lines.next()))
            #expect(worker.env["RELOADERD_SLOT"] == slot)
            #expect(worker.env["RELOADERD_GENERATION"] == "2")
        }
        #expect(try daemon.stop() == 0)
    }

    @Test func eachWorkerHasANotifySocketOfItsOwn() throws {
        let daemon = try DaemonUnderTest(
            ["-w", "2", "--surge", "1"] + ShownWorker.program + ["notify", "show", "wait"])
        try daemon.next("pool_ready")
        let addresses = try (0..<2).map { _ in try daemon.shown().env["NOTIFY_SOCKET"] ?? "" }
        #expect(Set(addresses).count == 2)
        let places = ["/run/reloaderd/notify-", "/tmp/reloaderd-notify-"]
        #expect(addresses.allSatisfy { address in places.contains { address.hasPrefix($0) } }, "\(addresses)")
        #expect(try daemon.stop() == 0)
    }

    @Test func theWatchdogsTimeIsToldInMicroseconds() throws {
        let (daemon, worker) = try DaemonUnderTest.showing(["--watchdog", "90s"])
        #expect(worker.env["WATCHDOG_USEC"] == "90000000")
        #expect(worker.env["WATCHDOG_PID"] == nil)
        #expect(try daemon.stop() == 0)
    }

    /// Each variable that an outer supervisor may have set, to something that would be seen.
    @Test func nothingOfAnOuterSupervisorReachesAWorker() throws {
        let outer = Environment.outerNames.map { "\($0)=outer" }
        let (daemon, worker) = try DaemonUnderTest.showing(environment: ChildProcess.plainEnvironment + outer)
        let ours: Set = [
            "READY_FD", "NOTIFY_SOCKET", "RELOADERD_SLOT", "RELOADERD_GENERATION", "RELOADERD_WORKERS",
            "RELOADERD_NAME",
        ]
        let seen = Environment.outerNames.filter { worker.env[$0] != nil }
        #expect(seen == ours)
        #expect(!worker.env.values.contains("outer"))
        #expect(try daemon.next("sockets_ignored").fields["level"] as? String == "warning")
        #expect(try daemon.stop() == 0)
    }

    @Test func whatIsNotUTF8PassesByteForByte() throws {
        let (daemon, worker) = try DaemonUnderTest.showing(
            under: ["env", #"ODD=\xff\xfe=\x80 \t"#, "env", "EMPTY=", "env", #"UTF8=\xc3\xa9"#])
        #expect(worker.env["ODD"] == "\u{FF}\u{FE}=\u{80} \t")
        #expect(worker.env["EMPTY"] == "")
        #expect(worker.env["UTF8"] == "\u{C3}\u{A9}")
        #expect(try daemon.stop() == 0)
    }

    /// If two variables had one name, a worker would read one or the other.
    @Test(arguments: ["READY_FD", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "RELOADERD_SLOT", "WATCHDOG_USEC"])
    func whatTheDaemonSetsIsNobodyElsesToSet(_ name: String) throws {
        let folder = try TestFolder()
        let file = try folder.write("app.env", "A=1\n\(name)=2\n")
        let ofFile = try CommandRun.reloaderd(["--env-file", file, "/bin/true"])
        #expect(ofFile.status == 1)
        #expect(ofFile.errors == "reloaderd: \(file):2: \(name) is set by reloaderd itself\n")
        let ofOption = try CommandRun.reloaderd(["--env", "\(name)=2", "/bin/true"])
        #expect(ofOption.status == 64)
        #expect(ofOption.errors == "reloaderd: --env: \(name) is set by reloaderd itself\n")
    }

    @Test func whoWinsOverWhom() throws {
        let folder = try TestFolder()
        let first = try folder.write("first.env", "A=file\nB=file\nC=file\nE='two words'\n")
        let second = try folder.write("second.env", "B=second\n")
        let (daemon, worker) = try DaemonUnderTest.showing(
            ["--env-file", first, "--env-file", second, "--env", "C=option", "--env", "GONE"],
            environment: ChildProcess.plainEnvironment + ["A=inherited", "GONE=inherited", "D=inherited"])
        #expect(worker.env["A"] == "file")
        #expect(worker.env["B"] == "second")
        #expect(worker.env["C"] == "option")
        #expect(worker.env["D"] == "inherited")
        #expect(worker.env["E"] == "two words")
        #expect(worker.env["GONE"] == nil)
        #expect(try daemon.stop() == 0)
    }
}
