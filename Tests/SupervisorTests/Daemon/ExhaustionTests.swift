// The machine has nothing left: no descriptor, no process. What serves goes on serving, and the reason is told.
import Foundation
import Testing

@Suite struct ExhaustionTests {
    /// However few descriptors are left, and whichever step of the reload lacks one.
    @Test func aReloadWithoutDescriptorsFailsAndTheOldGenerationServesOn() throws {
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--listen", "127.0.0.1:\(port)", "--workers", "2"] + Apps.worker("ready", "serve"))
        try daemon.next("pool_ready")
        let client = try SteadyClient(port)
        let old = Capacity.ready(in: daemon.log)
        let used = try Self.descriptors(of: daemon)
        #expect(try Self.allDescriptors(of: daemon).count == used.count + 32, "there is no reserve")
        // A generation takes two, and for a moment a third; a worker's channels and its pidfd take six while it starts.
        for spare in 0...7 {
            try Self.limit(daemon, to: Self.limit(leaving: spare, beside: used))
            daemon.signal(SIGHUP)
            let outcome = try daemon.next(of: ["reload_refused", "reload_failed", "reload_done"])
            #expect(outcome.event != "reload_done", "\(spare) descriptors are enough")
            #expect(outcome.message.contains("Too many open files"), "\(outcome.message)")
            if outcome.event == "reload_failed" {
                #expect(
                    outcome.message.hasSuffix(
                        "(the daemon has reached its limit of open files; raise LimitNOFILE= or ulimit -Hn)"))
                try daemon.next("reload_reverted")
            }
            try daemon.hearsAll()
            #expect(try Self.descriptors(of: daemon) == used, "a descriptor is left of what failed")
        }
        #expect(!daemon.records("reload_refused").isEmpty && !daemon.records("reload_failed").isEmpty)
        #expect(Capacity.ready(in: daemon.log) == old)
        #expect(daemon.records("worker_exited").isEmpty)

        try Self.limit(daemon, to: 1024)
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        #expect(client.finish().failures == [])
        try daemon.endsClean()
    }

    /// The table is full: what is needed to operate the daemon goes on, and the pool does not grow.
    @Test func withoutAnyDescriptorTheDaemonIsOperatedFromItsReserve() throws {
        let port = try Network.freePort()
        let app = try ControlledDaemon(
            Apps.worker("ready", "serve"), options: ["--workers", "1", "--listen", "127.0.0.1:\(port)"])
        try app.daemon.next("pool_ready")
        let full = Self.limit(leaving: 0, beside: try Self.allDescriptors(of: app.daemon))
        try Self.limit(app.daemon, to: full)
        #expect(try app.ask("status").workers.count == 1)
        let reload = try app.ask("reload")
        try #require(reload.outcome == "done", "\(reload)")
        try app.daemon.gone(1, ofGeneration: 1)
        let worker = try #require(app.daemon.records("worker_ready").last?.pid)
        kill(worker, SIGKILL)
        try app.daemon.next("worker_ready")
        #expect(app.daemon.records("worker_failed").allSatisfy { !$0.message.contains("Too many open files") })
        #expect(Network.get(port) != nil)

        #expect(try app.ask("scale", ["to": 3]).isOK)
        let refused = try app.daemon.next("worker_failed") { $0.slot != 0 }
        #expect(refused.message.contains("Too many open files"), "\(refused)")
        #expect(try app.ask("status").isOK)
        #expect(try app.ask("scale", ["to": 1]).isOK)
        #expect(try app.ask("stop").isOK)
        #expect(try app.daemon.end() == 0)
        app.daemon.leavesNothing()
    }

    /// A worker crashes then: its slot waits until there are descriptors, and is started.
    @Test func aRestartWithoutDescriptorsIsTriedAgain() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--backoff", "20ms", "--backoff-cap", "20ms"] + Apps.readyShell)
        let worker = try #require(try daemon.next("worker_ready").pid)
        try Self.limit(daemon, to: 3)
        kill(worker, SIGKILL)
        let failed = try daemon.next("worker_failed") { $0.pid == nil }
        #expect(
            failed.message
                == "cannot start worker: /bin/sh: creating its pipes: Too many open files "
                + "(the daemon has reached its limit of open files; raise LimitNOFILE= or ulimit -Hn)")
        try daemon.next("backoff")
        try Self.limit(daemon, to: 1024)
        try daemon.next("worker_ready")
        try daemon.endsClean()
    }

    @Test(arguments: [8, 12, 16]) func aStartWithoutDescriptorsIsOneLine(limit: Int) throws {
        let folder = try TestFolder()
        let run = try CommandRun.run([
            "/usr/bin/prlimit", "--nofile=\(limit):\(limit)", Products.reloaderd, "--control", "none", "--listen",
            "unix:\(folder.path)/socket", "--give-up", "1/1m", "/bin/true",
        ])
        #expect(run.status == 1)
        #expect(run.errors.contains("Too many open files"), "\(run.errors)")
        #expect(!folder.contains("socket"), "the socket's file is left")
    }

    /// A pids limit of a control group: containers and systemd's TasksMax= set one.
    @Test(.enabled(if: PidsGroup.isAvailable)) func aReloadBeyondThePidsLimitFails() throws {
        let group = try PidsGroup()
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--listen", "127.0.0.1:\(port)", "--workers", "2"] + Apps.worker("ready", "serve"), under: group.wrapper)
        try daemon.next("pool_ready")
        let client = try SteadyClient(port)
        let old = Capacity.ready(in: daemon.log)
        try group.setLimit("3")  // as many as there are
        daemon.signal(SIGHUP)
        let failed = try daemon.next("reload_failed")
        #expect(
            failed.message
                == "reload failed, generation 1 keeps serving: slot 0: cannot start worker: \(Apps.python): creating "
                + "a process: Resource temporarily unavailable "
                + "(the process limit is reached; see TasksMax= or ulimit -u)")
        try daemon.next("reload_reverted")
        #expect(Capacity.ready(in: daemon.log) == old)
        try group.setLimit("max")
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        #expect(client.finish().failures == [])
        try daemon.endsClean()
    }

    /// RLIMIT_NPROC does not bind root, so the daemon runs as a user who has no other processes.
    @Test(.enabled(if: isSomebodyElseAllowed)) func aReloadBeyondTheUsersLimitFails() throws {
        let daemon = try DaemonUnderTest(["--workers", "2"] + Apps.readyShell, under: Self.somebodyElse)
        try daemon.next("pool_ready")
        let old = Capacity.ready(in: daemon.log)
        func limit(_ limit: Int) throws {
            let run = try CommandRun.run(
                Self.somebodyElse + ["/usr/bin/prlimit", "--pid", "\(daemon.pid)", "--nproc=\(limit):"])
            #expect(run.status == 0, "\(run.errors)")
        }
        try limit(1)
        daemon.signal(SIGHUP)
        let failed = try daemon.next("reload_failed")
        #expect(
            failed.message
                == "reload failed, generation 1 keeps serving: slot 0: cannot start worker: /bin/sh: creating a "
                + "process: Resource temporarily unavailable "
                + "(the process limit is reached; see TasksMax= or ulimit -u)")
        try daemon.next("reload_reverted")
        #expect(Capacity.ready(in: daemon.log) == old)
        try limit(1000)
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        try daemon.endsClean()
    }

    private static let somebodyElse = ["setpriv", "--reuid=61234", "--regid=61234", "--clear-groups"]

    /// We are root, and the folders above the program are open to all.
    private static var isSomebodyElseAllowed: Bool {
        geteuid() == 0 && (try? CommandRun.run(somebodyElse + [Products.reloaderd, "--version"]).status) == 0
    }

    /// All but those of the reserve, which are given up when there are no others.
    private static func descriptors(of daemon: DaemonUnderTest) throws -> Set<Int> {
        let all = try allDescriptors(of: daemon)
        return try all.filter { try DescriptorLink.target(of: $0, in: daemon.pid) != "/" }
    }

    private static func allDescriptors(of daemon: DaemonUnderTest) throws -> Set<Int> {
        Set(try FileManager.default.contentsOfDirectory(atPath: "/proc/\(daemon.pid)/fd").compactMap { Int($0) })
    }

    /// The limit that leaves exactly so many numbers free.
    private static func limit(leaving spare: Int, beside used: Set<Int>) -> Int {
        var limit = 0
        var free = 0
        while free < spare || used.contains(limit) {
            if !used.contains(limit) { free += 1 }
            limit += 1
        }
        return limit
    }

    /// The soft limit, which everybody may raise again.
    private static func limit(_ daemon: DaemonUnderTest, to limit: Int) throws {
        let run = try CommandRun.run(["/usr/bin/prlimit", "--pid", "\(daemon.pid)", "--nofile=\(limit):"])
        #expect(run.status == 0, "\(run.errors)")
    }
}

/// A control group of a test's own with a pids controller, of version 1 or 2.
private final class PidsGroup {
    private let path: String

    static var isAvailable: Bool { (try? PidsGroup()) != nil }

    init() throws {
        for root in ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"] {
            let path = "\(root)/reloaderd-test-\(UUID().uuidString)"
            guard mkdir(path, 0o755) == 0 else { continue }
            if access("\(path)/pids.max", W_OK) == 0, access("\(path)/cgroup.procs", W_OK) == 0 {
                self.path = path
                return
            }
            rmdir(path)
        }
        throw DidNotHappen(description: "no pids controller that may be used")
    }

    /// Puts the command that follows into the group.
    var wrapper: [String] { ["/bin/sh", "-c", "echo $$ >\(path)/cgroup.procs && exec \"$@\"", "sh"] }

    func setLimit(_ limit: String) throws {
        try Data(limit.utf8).write(to: URL(fileURLWithPath: "\(path)/pids.max"))
    }

    deinit { rmdir(path) }
}
