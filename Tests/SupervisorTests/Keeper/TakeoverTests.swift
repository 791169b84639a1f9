// The daemon is killed, and started again: its workers don't notice, and nor do their clients. RELOADERD_TAKEOVERS=50
// kills it so often.
import CLinux
import Foundation
import Glibc
import Testing

@Suite(.serialized) struct TakeoverTests {
    static let kills = ProcessInfo.processInfo.environment["RELOADERD_TAKEOVERS"].flatMap { Int($0) } ?? 5

    @Test(arguments: OrphanPool.Kind.allCases) func aKilledDaemonCostsNoRequest(kind: OrphanPool.Kind) throws {
        let pool = try OrphanPool(kind)
        let client = try SharingLoad.client(pool.port)
        var generation = 1
        for round in 0..<Self.kills {
            let before = try pool.workers()
            try pool.kill()
            let record = try pool.daemon.next("took_over")
            #expect(record.number("workers") == 3 && record.text("generations") == "\(generation)", "\(record)")
            #expect(record.number("alone") >= 0)
            #expect(try pool.workers() == before, "the same workers, in the same slots")
            #expect(pool.processes() == Set(before.values), "no worker is doubled or lost")
            if round % 2 == 1 {
                generation += 1
                pool.daemon.signal(SIGHUP)
                try pool.daemon.next("reload_done")
                try pool.daemon.gone(3, ofGeneration: generation - 1)
            }
        }
        let report = try SharingLoad.report(of: client)
        #expect(report.failed == 0 && report.clientErrors == 0 && report.ok > 0, "\(report.columns) \(report.failures)")
        // The last daemon is in charge of them all.
        let victim = try #require(try pool.workers()[1])
        Glibc.kill(victim, SIGKILL)
        let exited = try pool.daemon.next("worker_exited") { $0.pid == victim }
        #expect(exited.number("signal") == 9, "\(exited)")
        try pool.daemon.next("worker_ready") { $0.slot == 1 }
        pool.daemon.signal(SIGHUP)
        try pool.daemon.next("reload_done")
        try pool.daemon.endsClean()
        let unknown = pool.daemon.records("worker_exited").filter { $0.message.contains("not known") }
        #expect(unknown.isEmpty, "\(unknown)")
        #expect(pool.processes().isEmpty)
        pool.leavesNoFile()
    }

    /// At whatever moment, also in the middle of a roll: each slot has a worker again, and no process is left over.
    @Test(arguments: OrphanPool.Kind.allCases) func aDaemonIsKilledInTheMiddleOfRolls(kind: OrphanPool.Kind) throws {
        let pool = try OrphanPool(kind)
        let client = try SharingLoad.client(pool.port)
        var random = SeededGenerator(seed: 4711)
        for _ in 0..<Self.kills {
            pool.daemon.signal(SIGHUP)
            poll(nil, 0, Int32.random(in: 0..<150, using: &random))
            try pool.kill()
            try pool.daemon.next("took_over")
        }
        pool.daemon.signal(SIGHUP)
        let done = try pool.daemon.next("reload_done")
        while pool.processes().count > 3 { try pool.daemon.nextLine() }
        #expect(Set(try pool.workers().values) == pool.processes() && pool.processes().count == 3)
        let report = try SharingLoad.report(of: client)
        // The order of shared sockets may be unknown then, and the kernel chooses among all of them.
        if kind != .sharedPort {
            #expect(report.failed == 0 && report.clientErrors == 0, "\(report.columns)\n\(pool.daemon.story)")
        }
        #expect(done.generation ?? 0 > 1)
        try pool.daemon.endsClean()
        #expect(pool.processes().isEmpty)
    }

    /// While there is no daemon, a worker's words wait, its calls wait, and its exit is seen afterwards.
    @Test func whatComesMeanwhileWaits() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let port = try Network.freePort()
        let app = try ControlledDaemon(
            [Apps.python, "-c", Self.lateBinder, gate.path, "\(port)"],
            options: ["--orphans", "keep", "--workers", "1", "--ready", "message"], in: folder)
        let started = try app.daemon.next("worker_ready")
        app.daemon.signal(SIGKILL)
        #expect(try app.daemon.process.wait() == 128 + SIGKILL)
        // It speaks, binds and waits for the answer, into the void.
        gate.letPass()
        let again = try ControlledDaemon(
            ["/bin/true"], options: ["--orphans", "keep", "--workers", "1", "--ready", "message"], in: folder)
        try again.daemon.next("took_over")
        try again.daemon.lines(1, thatStartWith: "before the bind")
        try again.daemon.next("worker_listening") { $0.pid == started.pid }
        try again.daemon.lines(1, thatStartWith: "after the bind")
        // The settings of this start are others: a roll brings them, and may have failed before the call was answered.
        let failed = try again.daemon.records("reload_failed").last ?? again.daemon.next("reload_failed")
        #expect(failed.generation == 2)
        Glibc.kill(started.pid ?? 0, SIGTERM)
        again.daemon.signal(SIGQUIT)
        _ = try again.daemon.end()
    }

    private static let lateBinder = """
        import os, signal, socket, sys
        os.write(int(os.environ["READY_FD"]), b"READY=1\\n")
        with open(sys.argv[1]) as gate: gate.readline()
        os.write(2, b"before the bind\\n")
        listener = socket.create_server(("127.0.0.1", int(sys.argv[2])))
        os.write(2, b"after the bind\\n")
        signal.pause()
        """

    /// A call of bind(2) that the dead daemon had received, and that its helper had not looked at, is answered by the
    /// next daemon.
    @Test func aCallUnderWayIsAnsweredByTheNextDaemon() throws {
        let folder = try TestFolder()
        let port = try Network.freePort()
        func start() throws -> ControlledDaemon {
            try ControlledDaemon(
                [Apps.python, "-c", Self.binder, "\(port)"],
                options: ["--orphans", "keep", "--workers", "1", "--ready", "listen"], in: folder)
        }
        let app = try start()
        try app.daemon.next("pool_ready")
        Glibc.kill(try app.daemon.helper(), SIGSTOP)
        app.daemon.signal(SIGHUP)
        let second = try #require(try app.daemon.next("worker_started").pid)
        try app.daemon.lines(2, thatStartWith: "before the bind")
        while !(try String(contentsOfFile: "/proc/\(second)/stat", encoding: .utf8)).contains(") S ") { sched_yield() }
        // It waits in the call; the daemon takes that in the same turn as the signal.
        try app.daemon.hearsAll()
        app.daemon.signal(SIGKILL)
        #expect(try app.daemon.process.wait() == 128 + SIGKILL)
        let again = try start()
        try again.daemon.next("took_over")
        try again.daemon.next("worker_listening") { $0.pid == second }
        try again.daemon.next("reload_done")
        again.daemon.signal(SIGQUIT)
        _ = try again.daemon.end()
    }

    private static let binder = """
        import os, signal, socket, sys
        os.write(2, b"before the bind\\n")
        listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
        signal.pause()
        """

    /// `--orphans stop`.
    @Test func workersMayEndWithTheirDaemon() throws {
        let folder = try TestFolder()
        let app = try ControlledDaemon(
            Apps.worker("term-exit", "0", "ready", "wait"), options: ["--orphans", "stop", "--workers", "2"],
            in: folder)
        try app.daemon.next("pool_ready")
        let workers = try app.daemon.records("worker_ready").map { try ProcessView($0.pid ?? 0) }
        app.daemon.signal(SIGKILL)
        for worker in workers { try worker.waitForEnd() }
        let again = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1"], in: folder)
        #expect(try again.daemon.next(of: ["pool_ready", "took_over"]).event == "pool_ready")
        try again.daemon.endsClean()
    }

    /// The keeper is killed: another one has the same.
    @Test func aKilledKeeperIsReplaced() throws {
        let pool = try OrphanPool(.listener)
        let before = try pool.workers()
        let keeper = try #require(pool.keeper())
        Glibc.kill(keeper, SIGKILL)
        try pool.daemon.next("keeper_lost")
        try pool.keeperBegins(after: keeper)
        // Its rows are sent at the end of this turn, which is over when another has begun.
        for _ in 0..<2 { try pool.daemon.hearsAll(at: pool.pid) }
        try pool.kill()
        #expect(try pool.daemon.next("took_over").number("workers") == 3)
        #expect(try pool.workers() == before)
        try pool.daemon.endsClean()
    }

    /// Both are killed: the workers serve on, and the next daemon says who has the port.
    @Test func withoutAKeeperThePortIsTaken() throws {
        let pool = try OrphanPool(.listener, under: [])
        let keeper = try #require(pool.keeper())
        let workers = Set(try pool.workers().values)
        Glibc.kill(pool.pid, SIGSTOP)
        Glibc.kill(keeper, SIGKILL)
        Glibc.kill(pool.pid, SIGKILL)
        #expect(try pool.daemon.process.wait() == 128 + SIGKILL)
        let again = try OrphanPool.start(in: pool.folder, ["--listen", "127.0.0.1:\(pool.port)"] + Apps.readyShell)
        #expect(try again.end() == 1)
        let words = again.otherLines.joined()
        #expect(words.contains("left over from a dead daemon of the name app"), "\(words)")
        #expect(workers.allSatisfy { Glibc.kill($0, 0) == 0 })
        for worker in workers { Glibc.kill(worker, SIGKILL) }
    }

    /// Two of one name never run at once, and the second says who is there.
    @Test func theNameIsLocked() throws {
        let pool = try OrphanPool(.listener, under: [])
        let other = try OrphanPool.start(in: pool.folder, Apps.readyShell)
        #expect(try other.end() == 1)
        #expect(
            other.otherLines == [
                "reloaderd: another reloaderd has the name app: pid \(pool.pid) (stop it, or choose another --name or "
                    + "--control)"
            ])
        try pool.daemon.endsClean()
        pool.leavesNoFile()
    }
}

/// A daemon that may be killed, and its workers, which write a line for each request.
final class OrphanPool {
    enum Kind: CaseIterable {
        case listener
        case listenerPerSlot
        case sharedPort
    }

    let port: Int
    let folder: TestFolder
    /// Its PID is that of what starts the daemon again.
    let daemon: DaemonUnderTest
    private static let restarter = [Apps.python, "\(Products.tests)/Programs/restarter.py"]

    init(_ kind: Kind, under wrapper: [String] = restarter) throws {
        port = try Network.freePort()
        folder = try TestFolder()
        let listener = ["--listen", "127.0.0.1:\(port)"]
        let program = [Apps.python, "-IS", "\(Products.tests)/Programs/printing.py", folder.path]
        let words: [String] =
            switch kind {
            case .listener: listener + program
            case .listenerPerSlot: listener + ["--balance", "slot"] + program
            case .sharedPort: program + ["\(port)"]
            }
        daemon = try Self.start(in: folder, words, under: wrapper)
        try daemon.next("pool_ready")
    }

    static func start(
        in folder: TestFolder, _ words: [String], under wrapper: [String] = []
    ) throws -> DaemonUnderTest {
        try DaemonUnderTest(
            ["--name", "app", "--workers", "3", "--orphans", "keep"] + words,
            environment: ChildProcess.plainEnvironment + ControlledDaemon.environment(of: folder), under: wrapper,
            control: nil)
    }

    /// The daemon's own.
    var pid: Int32 { daemon.log.last { ["started", "took_over"].contains($0.event) }?.pid ?? daemon.pid }

    func kill() throws {
        let daemon = try ProcessView(pid)
        Glibc.kill(pid, SIGKILL)
        try daemon.waitForEnd()
    }

    /// By slot, as the daemon says.
    func workers() throws -> [Int: Int32] {
        let status = try ControlConversation(ControlledDaemon.path(in: folder)).ask("status")
        var workers: [Int: Int32] = [:]
        for slot in status.objects("slots") {
            for worker in slot["workers"] as? [[String: Any]] ?? [] where worker["state"] as? String == "ready" {
                if let slot = slot["slot"] as? Int, let pid = worker["pid"] as? Int { workers[slot] = Int32(pid) }
            }
        }
        return workers
    }

    /// All processes that are workers of this pool, whoever knows of them.
    func processes() -> Set<Int32> {
        Set(
            ProcessView.all.filter { !$0.isAtEnd }.map { $0.pid }.filter { pid in
                let words = (FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") ?? Data()).split(separator: 0)
                    .map { String(decoding: $0, as: UTF8.self) }
                return words.first == Apps.python && words.contains(folder.path) && !words.contains("--name")
            })
    }

    /// nil: there is none.
    func keeper() -> Int32? {
        let text = try? String(contentsOfFile: "/proc/\(pid)/task/\(pid)/children", encoding: .utf8)
        return (text ?? "").split(separator: " ").compactMap { Int32($0) }.first { pid in
            let line = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") ?? Data()
            return String(decoding: line, as: UTF8.self).hasPrefix("reloaderd: keeper of app")
        }
    }

    /// Returns when another keeper runs. Nothing tells of that.
    func keeperBegins(after old: Int32) throws {
        let patience = ContinuousClock.now + .milliseconds(ChildProcess.patienceMilliseconds)
        while true {
            if let new = keeper(), new != old { return }
            if ContinuousClock.now > patience { throw DidNotHappen(description: "no keeper:\n\(daemon.story)") }
            poll(nil, 0, 1)
        }
    }

    func leavesNoFile() {
        let left = (try? FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/run")) ?? ["?"]
        #expect(left.isEmpty, "\(left)")
    }
}
