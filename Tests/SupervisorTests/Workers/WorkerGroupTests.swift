// --cgroup: a control group for each worker, in the cgroup2 hierarchy of this machine.
import Foundation
import Glibc
import Testing

@Suite struct WorkerGroupTests {
    /// Where the tests' own processes are, if groups can be made there.
    private static let own: String? = {
        guard let mount = TestGroup.unifiedMount,
            let text = try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("0::") })
        else { return nil }
        let path = mount + line.dropFirst(3)
        return access(path, W_OK) == 0 ? path : nil
    }()

    /// A group for the daemon, as a service manager delegates one.
    private final class Delegated {
        let path: String

        init() throws {
            path = "\(try #require(own))/reloaderd-test-\(UUID().uuidString)"
            try #require(mkdir(path, 0o755) == 0)
        }

        var joining: [String] { ["/bin/sh", "-c", "echo $$ >\(path)/cgroup.procs && exec \"$@\"", "sh"] }

        var children: [String] {
            ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).filter { $0.hasPrefix("worker-") }
        }

        /// The daemon has left nothing in it.
        deinit { for _ in 0..<100 where rmdir(path) != 0 && errno == EBUSY { usleep(10_000) } }
    }

    private func group(of pid: Int32) throws -> String {
        let text = try String(contentsOfFile: "/proc/\(pid)/cgroup", encoding: .utf8)
        return String(try #require(text.split(separator: "\n").first { $0.hasPrefix("0::") }).dropFirst(3))
    }

    @Test(.disabled(if: own == nil, "no cgroup2 hierarchy that this user may write to"))
    func eachWorkerHasAGroupThatEndsWithIt() throws {
        let place = try Delegated()
        let daemon = try DaemonUnderTest(["--workers", "2", "--cgroup"] + Apps.readyShell, under: place.joining)
        let pids = try daemon.ready(2).compactMap { $0.pid }
        let groups = try pids.map(group)
        #expect(Set(groups).count == 2)
        let daemons = try group(of: daemon.pid)
        for group in groups { #expect(group.hasPrefix("\(daemons)/worker-"), "\(group)") }
        #expect(Set(place.children) == Set(groups.compactMap { $0.split(separator: "/").last.map(String.init) }))
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        try daemon.gone(2, ofGeneration: 1)
        try daemon.hearsAll()
        #expect(place.children.count == 2)
        try daemon.endsClean()
        #expect(place.children.isEmpty)
    }

    /// Where clone3(2) is refused, as under the filters of container runtimes, the process joins its group itself.
    @Test(.disabled(if: own == nil, "no cgroup2 hierarchy that this user may write to"))
    func withoutCloneIntoCgroupItIsTheSame() throws {
        let place = try Delegated()
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--no-share", "--cgroup"] + Apps.readyShell,
            under: place.joining + [try BuiltPrograms.c("confined"), "no-clone3"])
        let pid = try #require(try daemon.next("worker_ready").pid)
        #expect(try group(of: pid).contains("/worker-"))
        try daemon.endsClean()
        #expect(place.children.isEmpty)
    }

    /// It has another session, another environment, and an older worker beside it: by nothing but its group is it known
    /// as what the second worker has left. It ignores the stop signal, too.
    @Test(.disabled(if: own == nil, "no cgroup2 hierarchy that this user may write to"))
    func whatHidesIsFoundAndKilled() throws {
        let folder = try TestFolder()
        let script = """
            if [ $RELOADERD_SLOT = 1 ] && [ $RELOADERD_GENERATION = 1 ]; then
                env -i setsid sh -c \
                    'trap "" TERM; echo $$ >\(folder.path)/pid; sleep 1000 & wait; wait' >/dev/null 2>&1 &
                while [ ! -s \(folder.path)/pid ]; do sleep 0.01; done
                echo READY=1 >&$READY_FD
                exec sh -c 'read line <\(folder.path)/gate; exit 3'
            fi
            echo READY=1 >&$READY_FD; exec sleep 1000
            """
        #expect(mkfifo("\(folder.path)/gate", 0o600) == 0)
        let place = try Delegated()
        let daemon = try DaemonUnderTest(
            ["--workers", "2", "--cgroup", "--no-share", "--ready", "message", "--stop-timeout", "100ms"]
                + Apps.shell(script), under: place.joining)
        try daemon.next("pool_ready")
        let hidden = try #require(
            pid_t(
                try String(contentsOfFile: "\(folder.path)/pid", encoding: .utf8)
                    .trimmingCharacters(in: .whitespacesAndNewlines)))
        let gate = open("\(folder.path)/gate", O_WRONLY | O_CLOEXEC)
        close(gate)
        try daemon.next("worker_exited")
        try daemon.next("leftovers_gone")
        #expect(kill(hidden, 0) != 0)
        try daemon.endsClean()
        #expect(place.children.isEmpty)
    }

    @Test(.disabled(if: own == nil, "no cgroup2 hierarchy that this user may write to"))
    func aProgramThatIsNotThereLeavesNoGroup() throws {
        let place = try Delegated()
        let daemon = try DaemonUnderTest(["--cgroup", "/nonexistent/app"], under: place.joining)
        #expect(try daemon.end() == 127)
        #expect(place.children.isEmpty)
    }

    // MARK: where it cannot be done

    /// As container runtimes mount it.
    @Test(
        .disabled(if: Namespaces.problem != nil || own == nil, "no namespaces, or no cgroup2 hierarchy"))
    func aHierarchyThatIsReadOnlyIsSaid() throws {
        let port = try Network.freePort()
        let container = try Container(["--cgroup", "/app/run", "\(port)"])
        #expect(try container.daemon.end() == 1)
        let said = try #require(container.daemon.otherLines.last)
        #expect(said.hasPrefix("reloaderd: --cgroup: workers cannot have control groups of their own: "), "\(said)")
        #expect(said.contains("a container needs its hierarchy mounted writable"), "\(said)")
    }

    @Test(.disabled(if: own == nil || !Launcher.isRoot, "not root, or no cgroup2 hierarchy"))
    func aGroupThatIsNotDelegatedIsSaid() throws {
        let folder = try TestFolder()
        let copies = try Launcher.copyForEverybody(to: folder)
        let place = try Delegated()
        let daemon = try DaemonUnderTest(
            ["--cgroup", "/bin/sleep", "1000"], under: place.joining + Launcher.asNobody, executable: copies.daemon)
        #expect(try daemon.end() == 1)
        #expect(daemon.otherLines.last?.contains("Delegate=yes") ?? false, "\(daemon.otherLines)")
    }

    /// A limit that the kernel would not keep is refused.
    @Test(.disabled(if: own == nil || TestGroup.hasUnifiedMemory, "no cgroup2 hierarchy, or it has the controller"))
    func aMemoryLimitWithoutTheControllerIsRefused() throws {
        let place = try Delegated()
        let daemon = try DaemonUnderTest(
            ["--cgroup", "--memory-limit", "100M"] + Apps.readyShell, under: place.joining)
        #expect(try daemon.end() == 1)
        #expect(daemon.otherLines.last?.contains("--memory-limit needs the memory controller") ?? false)
        #expect(!FileManager.default.fileExists(atPath: "\(place.path)/supervisor"))
    }

    /// The worker that takes too much is killed, and the log says why; its neighbour goes on.
    @Test(.disabled(if: own == nil || !TestGroup.hasUnifiedMemory, "no cgroup2 hierarchy with the memory controller"))
    func aWorkerAboveItsLimitIsKilledAndThatIsSaid() throws {
        let place = try Delegated()
        let hungry = """
            import os, signal, sys
            os.write(int(os.environ["READY_FD"]), b"READY=1\\n")
            if os.environ["RELOADERD_SLOT"] == "1" and os.environ["RELOADERD_GENERATION"] == "1":
                sys.stdin = None
                memory = bytearray(os.urandom(1 << 20)) * 200
            signal.pause()
            """
        let daemon = try DaemonUnderTest(
            [
                "--workers", "2", "--ready", "message", "--cgroup", "--memory-limit", "100M", "--backoff", "1h",
                "--backoff-cap", "1h", "/usr/bin/python3", "-ISc", hungry,
            ], under: place.joining)
        let failed = try daemon.next("worker_failed")
        #expect(failed.slot == 1 && failed.message.contains("out of memory"), "\(failed)")
        #expect(daemon.records("worker_exited").allSatisfy { $0.slot == 1 })
        // One that somebody else kills is told apart.
        let other = try #require(daemon.records("worker_ready").first { $0.slot == 0 }?.pid)
        kill(other, SIGKILL)
        let killed = try daemon.next("worker_failed")
        #expect(killed.slot == 0 && !killed.message.contains("out of memory"), "\(killed)")
        try daemon.endsClean()
        #expect(place.children.isEmpty && !FileManager.default.fileExists(atPath: "\(place.path)/supervisor"))
    }
}
