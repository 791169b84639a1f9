// A reload in a control group whose memory is short: in a group of the test's own, with workers of a known size.
import Foundation
import Glibc
import Testing

@testable import Supervisor

@Suite struct MemoryRoomTests {
    private static let hasGroup = TestGroup("memory") != nil
    /// Each takes some 60 MiB and a little more for Python.
    private static let app = [
        "/usr/bin/python3", "-ISc",
        """
        import os, signal
        memory = bytearray(os.urandom(1 << 20)) * 60
        os.write(int(os.environ["READY_FD"]), b"READY=1\\n")
        signal.pause()
        """,
    ]

    private func run(_ mebibytes: Int, _ options: [String]) throws -> (ControlledDaemon, TestGroup) {
        let group = try #require(TestGroup("memory"))
        #expect(group.write("memory.max", "memory.limit_in_bytes", String(mebibytes << 20)))
        let app = try ControlledDaemon(Self.app, options: options, under: group.joining)
        try app.daemon.next("pool_ready")
        return (app, group)
    }

    private func outOfMemoryKills(_ group: TestGroup) throws -> String {
        let name = group.isUnified ? "memory.events" : "memory.oom_control"
        let text = try String(contentsOfFile: "\(group.path)/\(name)", encoding: .utf8)
        return String(try #require(text.split(separator: "\n").first { $0.hasPrefix("oom_kill ") }))
    }

    /// There is room for one more beside three, and the surge is three.
    @Test(.disabled(if: !hasGroup, "no memory cgroup can be made here"))
    func aReloadGoesOneAtATimeIfThereIsRoomForOne() throws {
        let (app, group) = try run(310, ["--workers", "3", "--surge", "3"])
        let result = try app.ask("reload")
        #expect(result.outcome == "done", "\(result)")
        let bounded = try app.daemon.next("reload_bounded")
        #expect(
            bounded.message
                == "memory has room for 1 worker more than there are: one is replaced at a time instead of 3, and "
                + "those that drain are waited for")
        try app.daemon.next("reload_done")
        // Never more than four at once.
        var running: Set<Int32> = []
        var most = 0
        for record in app.daemon.log {
            guard let pid = record.pid else { continue }
            if record.event == "worker_started" { running.insert(pid) }
            if record.event == "worker_exited" { running.remove(pid) }
            most = max(most, running.count)
        }
        #expect(most == 4)
        #expect(try outOfMemoryKills(group) == "oom_kill 0")
        try app.daemon.endsClean()
    }

    /// There is no room for a third worker: whoever asks is told, and nothing changes unless they insist.
    @Test(.disabled(if: !hasGroup, "no memory cgroup can be made here"))
    func aReloadWithoutRoomIsRefused() throws {
        let (app, group) = try run(180, ["--workers", "2"])
        let result = try app.ask("reload")
        #expect(result.outcome == "refused")
        let reason = try #require(result.string("reason"))
        #expect(reason.hasPrefix("memory has no room for one more worker: "), "\(reason)")
        #expect(reason.contains(/: [0-9]+M of the control group's limit are free, and the largest worker uses 6[0-9]M/))
        #expect(reason.hasSuffix("give --force, which replaces one worker at a time all the same)"))
        try app.daemon.next("reload_refused")
        app.daemon.signal(SIGHUP)
        let refused = try app.daemon.next("reload_refused")
        #expect(refused.message.hasPrefix("reload refused, everything goes on as before: memory has no room"))
        #expect(app.daemon.records("worker_started").count == 2)
        #expect(try outOfMemoryKills(group) == "oom_kill 0")

        // More memory, and the same reload is done. The refused one has used up no generation.
        #expect(group.write("memory.max", "memory.limit_in_bytes", String(1 << 30)))
        let done = try app.ask("reload")
        #expect(done.outcome == "done" && done.number("generation") == 2, "\(done)")
        try app.daemon.gone(2, ofGeneration: 1)
        #expect(app.daemon.records("reload_bounded").isEmpty)

        // And again without: a rollback is refused, too, and both go on with force.
        #expect(group.write("memory.max", "memory.limit_in_bytes", String(180 << 20)))
        let rollback = try app.ask("rollback")
        #expect(rollback.code == "refused", "\(rollback)")
        #expect(rollback.string("message")?.hasPrefix("rollback refused: memory has no room") ?? false, "\(rollback)")
        #expect(try app.ask("rollback", ["force": true, "wait": false]).outcome == "begun")
        try app.daemon.next("reload_bounded")
        app.daemon.signal(SIGQUIT)
        #expect(try app.daemon.end() == 0)
    }

    @Test func theVerbHasTheOption() throws {
        let app = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1"])
        try app.daemon.next("pool_ready")
        let run = try CommandRun.reloaderd(["reload", "--control", app.path, "--force"])
        #expect(run.status == 0, "\(run.errors)")
        try app.daemon.endsClean()
    }

    // MARK: what the files say

    private func free(_ files: [String: String]) throws -> UInt64? {
        let folder = try TestFolder()
        for (name, text) in files { try folder.write(name, text) }
        return CgroupMemory(root: folder.path).freeBytes
    }

    @Test func theTightestOfTheUnifiedGroupsCountsAndCacheIsFree() throws {
        var files = [
            "proc/self/cgroup": "0::/app.slice/web.service\n",
            "proc/self/mountinfo": "30 24 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
            "sys/fs/cgroup/app.slice/web.service/memory.max": "max\n",
            "sys/fs/cgroup/app.slice/web.service/memory.current": "900\n",
            "sys/fs/cgroup/app.slice/memory.max": "1000\n",
            "sys/fs/cgroup/app.slice/memory.current": "900\n",
            "sys/fs/cgroup/app.slice/memory.stat": """
            anon 500
            file 350
            shmem 40
            inactive_file 200
            active_file 110
            slab_reclaimable 30
            """,
        ]
        #expect(try free(files) == 440)
        files["sys/fs/cgroup/app.slice/web.service/memory.max"] = "600\n"
        #expect(try free(files) == 0)
        files["sys/fs/cgroup/app.slice/memory.max"] = "max\n"
        files["sys/fs/cgroup/app.slice/web.service/memory.max"] = "max\n"
        #expect(try free(files) == nil)
    }

    @Test func theLegacyGroupsCountWithAllBelow() throws {
        let files = [
            "proc/self/cgroup": "4:memory:/a\n0::/\n",
            "proc/self/mountinfo": "25 20 0:22 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "5\n",
            "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "1000\n",
            "sys/fs/cgroup/memory/a/memory.usage_in_bytes": "800\n",
            "sys/fs/cgroup/memory/a/memory.stat": "inactive_file 1\ntotal_inactive_file 100\ntotal_active_file 50\n",
        ]
        #expect(try free(files) == 350)
    }

    @Test(arguments: ["", "garbage", "-1", "99999999999999999999", "1 2"])
    func whatIsNoLimitLimitsNothing(_ text: String) throws {
        let files = [
            "proc/self/cgroup": "0::/\n",
            "proc/self/mountinfo": "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            "sys/fs/cgroup/memory.max": text, "sys/fs/cgroup/memory.current": "1\n",
        ]
        #expect(try free(files) == nil)
    }

    @Test func aRoomIsWhatFits() {
        #expect(MemoryRoom(freeBytes: 100, workerBytes: 60).workers == 1)
        #expect(MemoryRoom(freeBytes: 59, workerBytes: 60).workers == 0)
        #expect(MemoryRoom(freeBytes: .max, workerBytes: 0).workers == .max)
    }
}
