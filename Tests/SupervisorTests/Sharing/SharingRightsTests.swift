// Sharing with few rights, and on a system that refuses it.
import Foundation
import Testing

@Suite struct SharingRightsTests {
    /// Sharing does not need root: without it, workers run with no_new_privs set.
    @Test(.enabled(if: Launcher.isRoot, "needs root, to become somebody else"))
    func anUnprivilegedDaemonSharesPorts() throws {
        let (folder, port) = (try TestFolder(), try Network.freePort())
        let copies = try Launcher.copyForEverybody(to: folder)
        let program = try folder.writeProgram("threaded.py", SharedProgram.text(of: "threaded.py"))
        let daemon = try DaemonUnderTest(
            ["--workers", "3", "/usr/bin/python3", program, "\(port)"],
            under: Launcher.asNobody, executable: copies.daemon)
        try daemon.next("pool_ready")
        let client = try SharingLoad.client(port)
        for _ in 0..<3 {
            daemon.signal(SIGHUP)
            try daemon.next("reload_done")
        }
        while let line = try client.output.next(), !line.contains(" generation=4 ") {}
        let report = try SharingLoad.report(of: client)
        #expect(report.failed == 0 && report.clientErrors == 0, "\(report.columns) \(report.failures)")
        #expect(report.generations.contains(4))
        #expect(Set(report.workers.map(\.slot)).count == 3)
        let worker = try #require(daemon.records("worker_ready").last?.pid)
        #expect(try status("NoNewPrivs", of: worker) == "1")
        #expect(try status("Uid", of: worker).hasPrefix("65534"))
        try daemon.endsClean()
    }

    /// A queue is handed over without rights as well.
    @Test(.enabled(if: Launcher.isRoot, "needs root, to become somebody else"))
    func anUnprivilegedDaemonKeepsQueues() throws {
        let (folder, port) = (try TestFolder(), try Network.freePort())
        let copies = try Launcher.copyForEverybody(to: folder)
        let program = "\(folder.path)/epoll-first"
        try FileManager.default.copyItem(atPath: try BuiltPrograms.c("epoll-first"), toPath: program)
        chmod(program, 0o755)
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--backoff", "10ms", program, "\(port)"], under: Launcher.asNobody,
            executable: copies.daemon
        )
        let victim = try #require(try daemon.next("worker_ready").pid)
        try ProcessGroup.stop(victim)
        let askers = try (0..<20).map { _ in try Asker(port, asking: "/") }
        kill(-victim, SIGKILL)
        let replacement = try #require(try daemon.next("worker_ready").pid)
        for asker in askers { #expect(try asker.answer()?.pid == replacement) }
        try daemon.endsClean()
    }

    /// The daemon is root and its workers are not: the port is bound for them.
    @Test(.enabled(if: Launcher.isRoot, "needs root"), .enabled(if: Namespaces.problem == nil))
    func privilegedPortsAreBoundForWorkers() throws {
        let folder = try TestFolder()
        _ = try Launcher.copyForEverybody(to: folder)
        let program = try folder.writeProgram("ports.py", SharedProgram.text(of: "ports.py"))
        // A network of its own has all low ports free, and privileged as the kernel's default has it.
        let daemon = try DaemonUnderTest(
            ["--workers", "2", "--user", "65534:65534", "/usr/bin/python3", program, "tcp4", "80"],
            under: ["unshare", "--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"])
        try daemon.next("pool_ready")
        let worker = try #require(daemon.records("worker_ready").last?.pid)
        #expect(try status("Uid", of: worker).hasPrefix("65534"))
        let client = try SharingLoad.client(80, under: ["nsenter", "-t", "\(daemon.pid)", "-n"])
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        let report = try SharingLoad.report(of: client)
        #expect(report.failed == 0, "\(report.columns) \(report.failures)")
        #expect(Set(report.workers.map(\.slot)) == [0, 1])
        try daemon.endsClean()
    }

    /// What a container may take away; the words of confined.c.
    private static let refusals = ["taken", "no-getfd", "no-filter"]

    @Test(arguments: refusals)
    func aSystemThatRefusesIsTold(_ refusal: String) throws {
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--workers", "2"] + SharedProgram.node.words(port, in: TestFolder()),
            under: [try BuiltPrograms.c("confined"), refusal])
        #expect(try daemon.end() != 0)
        let said = daemon.log.map(\.message) + daemon.otherLines
        let line = try #require(said.first { $0.contains("--listen") && $0.contains("--no-share") }, "\(daemon.story)")
        #expect(!line.contains("\n"))
        #expect(daemon.records("worker_started").isEmpty, "nothing has begun: \(daemon.story)")
    }

    /// One worker needs no sharing: it goes on, and drains by its signal.
    @Test(arguments: refusals)
    func oneWorkerGoesOnWithout(_ refusal: String) throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--ready", "message"] + Apps.worker("ready", "wait"),
            under: [try BuiltPrograms.c("confined"), refusal])
        try daemon.next("pool_ready")
        #expect(
            daemon.log.contains { $0.event == "ports_not_shared" && $0.message.contains("--listen") }, "\(daemon.story)"
        )
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        try daemon.endsClean()
    }

    /// The daemon can't see it listen, and it sends nothing: it counts as ready by its age.
    @Test func oneWorkerWithoutWordsIsReadyByItsAge() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1"] + Apps.worker("wait"), under: [try BuiltPrograms.c("confined"), Self.refusals[0]])
        try daemon.next("pool_ready")
        #expect(try #require(daemon.records("worker_ready").first).fields["after"] as? Double ?? 0 >= 2)
        try daemon.endsClean()
    }

    /// `--no-share` asks the system for nothing.
    @Test(arguments: refusals)
    func noShareNeedsNothing(_ refusal: String) throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "2", "--no-share"] + Apps.readyShell, under: [try BuiltPrograms.c("confined"), refusal])
        try daemon.next("pool_ready")
        try daemon.endsClean()
    }

    /// A line of proc_pid_status(5).
    private func status(_ name: String, of pid: Int32) throws -> String {
        let text = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("\(name):") })
        return line.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces)
    }
}
