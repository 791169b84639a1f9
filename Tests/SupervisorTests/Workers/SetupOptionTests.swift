// Each process set-up option, as a real worker sees it.
import Foundation
import Testing

@Suite struct SetupOptionTests {
    @Test func theDirectoryTheMaskAndTheNiceValue() throws {
        let folder = try TestFolder()
        try folder.write("there/file", "")
        let (daemon, worker) = try DaemonUnderTest.showing(
            ["--chdir", "\(folder.path)/there", "--umask", "027", "--nice", "7"],
            environment: ChildProcess.plainEnvironment + ["PWD=/elsewhere"])
        #expect(worker.cwd == "\(folder.path)/there")
        #expect(worker.env["PWD"] == "\(folder.path)/there")
        #expect(worker.umask == "0027")
        #expect(worker.nice == 7)
        #expect(try daemon.stop() == 0)
    }

    @Test func withoutOptionsAWorkerIsAsTheDaemonWasStarted() throws {
        let folder = try TestFolder()
        let (daemon, worker) = try DaemonUnderTest.showing(
            directory: folder.path, under: ["umask", "013", "limit", "nofile", "256", "4096"])
        #expect(worker.cwd == folder.path)
        #expect(worker.umask == "0013")
        #expect(worker.limits["nofile"] == [256, 4096], "the daemon raises its own limit, not its workers'")
        let limits = try String(contentsOfFile: "/proc/\(daemon.pid)/limits", encoding: .utf8)
        let own = limits.split(separator: "\n").first { $0.hasPrefix("Max open files") }
        #expect(own?.split(separator: " ")[3...4] == ["4096", "4096"])
        #expect(try daemon.stop() == 0)
    }

    @Test func limitsAreSetOneByOne() throws {
        let (daemon, worker) = try DaemonUnderTest.showing(
            ["--rlimit", "nofile=123:456", "--rlimit", "core=0", "--rlimit", "cpu=1h:unlimited", "--rlimit", "as=8G"],
            under: ["limit", "nofile", "256", "4096"])
        #expect(worker.limits["nofile"] == [123, 456])
        #expect(worker.limits["core"] == [0, 0])
        #expect(worker.limits["cpu"] == [3600, -1])
        #expect(worker.limits["as"] == [8 << 30, 8 << 30])
        #expect(try daemon.stop() == 0)
    }

    @Test func pinnedWorkersHaveOneCPUEach() throws {
        let cpus = try DaemonUnderTest.showing().worker.cpus
        let folder = try TestFolder()
        let fifo = try Fifo(in: folder)
        let count = cpus.count + 1
        let daemon = try DaemonUnderTest(
            ["--pin", "-w", "\(count)"] + ShownWorker.program + ["show-to", fifo.path, "ready", "wait"])
        try daemon.next("pool_ready")
        for _ in 0..<count {
            let worker = try ShownWorker(line: try #require(try fifo.lines.next()))
            let slot = try #require(Int(worker.env["RELOADERD_SLOT"] ?? ""))
            #expect(worker.cpus == [cpus[slot % cpus.count]])
        }
        #expect(try daemon.stop() == 0)
    }

    @Test func autoIsOneWorkerOnOneCPU() throws {
        let daemon = try DaemonUnderTest(
            ShownWorker.showing, under: Launcher.words + ["cpu", "0", "--"])
        #expect(try daemon.next("pool_ready").fields["workers"] as? Int == 1)
        #expect(try daemon.stop() == 0)
    }

    // MARK: users

    @Test(.enabled(if: Launcher.isRoot), arguments: ["1234:2345", "1234"])
    func aUserByNumberNeedsNoEntry(_ user: String) throws {
        let (daemon, worker) = try workerOfOtherUser(["--user", user])
        #expect(worker.uid == 1234)
        #expect(worker.gid == (user == "1234" ? 1234 : 2345))
        #expect(worker.groups == [])
        for name in ["USER", "LOGNAME", "HOME"] {
            #expect(worker.env[name] == nil, "nothing is known of this number, and that of root is wrong")
        }
        #expect(try daemon.stop() == 0)
    }

    @Test(.enabled(if: Launcher.isRoot))
    func aUserByNameAndAGroupOfItsOwn() throws {
        let (daemon, worker) = try workerOfOtherUser(["--user", "nobody", "--group", "3456"])
        #expect(worker.uid == Launcher.nobody)
        #expect(worker.gid == 3456)
        #expect(worker.groups == [])
        #expect(worker.env["USER"] == "nobody")
        #expect(worker.env["LOGNAME"] == "nobody")
        #expect(try daemon.stop() == 0)
    }

    /// A file with capabilities could take them up again.
    @Test(.enabled(if: Launcher.isRoot))
    func inheritableCapabilitiesAreNotHandedOn() throws {
        func inheritable(_ options: [String]) throws -> String? {
            let daemon = try DaemonUnderTest(
                ["-w", "1"] + options
                    + Apps.shell("grep CapInh /proc/self/status >&2; echo READY=1 >&$READY_FD; exec sleep 1000"),
                under: ["setpriv", "--inh-caps", "+net_raw"])
            try daemon.next("pool_ready")
            #expect(try daemon.stop() == 0)
            return daemon.otherLines.first { $0.hasPrefix("CapInh:") }
        }
        #expect(try inheritable(["--user", "nobody"]) == "CapInh:\t0000000000000000")
        #expect(try inheritable([]) != "CapInh:\t0000000000000000", "there were none: nothing was tested")
    }

    @Test(.enabled(if: Launcher.isRoot))
    func aGroupAloneLeavesTheUser() throws {
        let (daemon, worker) = try DaemonUnderTest.showing(["--group", "3456"])
        #expect(worker.uid == 0)
        #expect(worker.gid == 3456)
        #expect(worker.groups == [])
        #expect(try daemon.stop() == 0)
    }

    /// Both ready ways must work for a worker of another user: the pipe, and the socket that checks who sends.
    @Test(.enabled(if: Launcher.isRoot), arguments: ["ready", "notify"])
    func aWorkerOfAnotherUserIsHeard(_ word: String) throws {
        let folder = try TestFolder()
        let copies = try Launcher.copyForEverybody(to: folder)
        let daemon = try DaemonUnderTest(["-w", "1", "--user", "nobody"] + copies.worker + [word, "wait"])
        try daemon.next("pool_ready")
        #expect(try daemon.stop() == 0)
    }

    private func workerOfOtherUser(_ options: [String]) throws -> (DaemonUnderTest, ShownWorker) {
        let folder = try TestFolder()
        let copies = try Launcher.copyForEverybody(to: folder)
        let environment = ChildProcess.plainEnvironment + ["USER=somebody", "LOGNAME=somebody", "HOME=/somewhere"]
        let (daemon, worker) = try DaemonUnderTest.showing(
            options, program: copies.worker + ["show", "ready", "wait"], environment: environment)
        try daemon.next("pool_ready")
        return (daemon, worker)
    }

    // MARK: stopping

    @Test func theStopSignalIsTheUsers() throws {
        // SIGINT ends Python by an exception that says so; SIGTERM is not heard.
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--stop-signal", "INT"] + ShownWorker.program + ["ignore", "TERM", "ready", "wait"])
        try daemon.next("pool_ready")
        #expect(try daemon.stop() == 0)
        #expect(daemon.records("worker_killed").isEmpty)
        #expect(daemon.records("worker_exited").first?.fields["signal"] as? Int == 2)
    }

    @Test func afterTheStopTimeoutComesTheEnd() throws {
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--stop-timeout", "50ms"] + ShownWorker.program + ["ignore", "TERM", "ready", "wait"])
        try daemon.next("pool_ready")
        #expect(try daemon.stop() == 0)
        #expect(daemon.records("worker_killed").count == 1)
        #expect(daemon.records("worker_exited").first?.fields["signal"] as? Int == 9)
    }
}
