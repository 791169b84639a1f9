// A pool of --workers auto follows the CPUs that it may use, as its control group's files are written.
import Foundation
import Glibc
import Testing

@Suite struct CPUWatchTests {
    private static let hasQuota = TestGroup("cpu") != nil
    private static let hasSets = TestGroup("cpuset") != nil
    private static let several = sysconf(Int32(_SC_NPROCESSORS_ONLN)) > 1

    /// A group of which the daemon may use one CPU.
    private func quotaGroup(under parent: TestGroup? = nil) throws -> TestGroup {
        let group = try #require(TestGroup("cpu", under: parent))
        try setQuota(1, of: group)
        return group
    }

    private func setQuota(_ cpus: Int?, of group: TestGroup) throws {
        let legacy = cpus.map { String($0 * 100_000) } ?? "-1"
        #expect(group.write("cpu.max", "cpu.cfs_quota_us", group.isUnified && cpus == nil ? "max" : legacy))
    }

    @Test(.disabled(if: !hasQuota || !several, "no cpu cgroup can be made here, or there is one CPU"))
    func aQuotaThatGrowsAndShrinksIsFollowed() throws {
        let group = try quotaGroup()
        let app = try ControlledDaemon(Apps.readyShell, under: group.joining)
        #expect(try app.daemon.next("started").number("workers") == 1)
        try app.daemon.next("pool_ready")
        try setQuota(2, of: group)
        let changed = try app.daemon.next("cpus_changed")
        #expect(changed.message == "reloaderd may use 2 CPUs instead of 1: --workers auto follows")
        let scaled = try app.daemon.next("scaled")
        #expect(scaled.number("from") == 1 && scaled.number("workers") == 2)
        try app.daemon.ready(1)
        try setQuota(1, of: group)
        #expect(try app.daemon.next("cpus_changed").number("cpus") == 1)
        #expect(try app.daemon.next("scaled").number("workers") == 1)
        try app.daemon.next("worker_exited")
        // A reload keeps to it.
        app.daemon.signal(SIGHUP)
        #expect(try app.daemon.next("reload_done").number("workers") == 1)
        try app.daemon.endsClean()
    }

    /// As a container's limit is changed from outside: the group lies above the daemon's own.
    @Test(.disabled(if: !hasQuota || !several, "no cpu cgroup can be made here, or there is one CPU"))
    func theQuotaOfAGroupAboveCounts() throws {
        let outer = try quotaGroup()
        if outer.isUnified { #expect(outer.write("cgroup.subtree_control", "", "+cpu")) }
        let inner = try #require(TestGroup("cpu", under: outer))
        let app = try ControlledDaemon(Apps.readyShell, under: inner.joining)
        #expect(try app.daemon.next("started").number("workers") == 1)
        try app.daemon.next("pool_ready")
        try setQuota(nil, of: outer)
        #expect(try app.daemon.next("scaled").number("from") == 1)
        try app.daemon.endsClean()
    }

    @Test(.disabled(if: !hasSets || !several, "no cpuset cgroup can be made here, or there is one CPU"))
    func aCPUSetIsFollowedAndPinnedWorkersStayInIt() throws {
        let group = try #require(TestGroup("cpuset"))
        #expect(group.write("cpuset.mems", "cpuset.mems", "0"))
        #expect(group.write("cpuset.cpus", "cpuset.cpus", "0-1"))
        let app = try ControlledDaemon(Apps.readyShell, options: ["--pin"], under: group.joining)
        #expect(try app.daemon.next("started").number("workers") == 2)
        try app.daemon.next("pool_ready")
        #expect(group.write("cpuset.cpus", "cpuset.cpus", "1"))
        #expect(try app.daemon.next("cpus_changed").number("cpus") == 1)
        #expect(try app.daemon.next("scaled").number("workers") == 1)
        // The next worker of slot 0 can no longer have CPU 0.
        app.daemon.signal(SIGHUP)
        let ready = try app.daemon.next("worker_ready") { $0.generation == 2 }
        let status = try String(contentsOfFile: "/proc/\(try #require(ready.pid))/status", encoding: .utf8)
        #expect(status.contains("Cpus_allowed_list:\t1\n"), "\(status)")
        try app.daemon.next("reload_done")
        try app.daemon.endsClean()
    }

    /// No file tells of it: it counts from the next reload on.
    @Test(.disabled(if: !several, "there is one CPU"))
    func anAffinityThatIsChangedFromOutsideIsSeenAtTheNextReload() throws {
        let app = try ControlledDaemon(Apps.readyShell, under: ["/usr/bin/taskset", "-c", "0"])
        #expect(try app.daemon.next("started").number("workers") == 1)
        try app.daemon.next("pool_ready")
        #expect(try CommandRun.run(["/usr/bin/taskset", "-p", "-c", "0,1", "\(app.daemon.pid)"]).status == 0)
        app.daemon.signal(SIGHUP)
        #expect(try app.daemon.next("cpus_changed").number("cpus") == 2)
        #expect(try app.daemon.next("reload_done").number("workers") == 2)
        try app.daemon.endsClean()
    }

    /// The number that a person has chosen stays, over reloads too.
    @Test(.disabled(if: !hasQuota || !several, "no cpu cgroup can be made here, or there is one CPU"))
    func aPersonsNumberStays() throws {
        let group = try quotaGroup()
        let app = try ControlledDaemon(Apps.readyShell, under: group.joining)
        try app.daemon.next("pool_ready")
        #expect(try app.ask("scale", ["to": 3]).isOK)
        try app.daemon.ready(2)
        try setQuota(2, of: group)
        #expect(
            try app.daemon.next("cpus_changed").message
                == "reloaderd may use 2 CPUs instead of 1, and 3 workers stay: somebody has chosen that number")
        app.daemon.signal(SIGHUP)
        #expect(try app.daemon.next("reload_done").number("workers") == 3)
        #expect(app.daemon.records("scaled").count == 1)
        try app.daemon.endsClean()
    }

    @Test(.disabled(if: !hasQuota || !several, "no cpu cgroup can be made here, or there is one CPU"))
    func aFixedNumberFollowsNothing() throws {
        let group = try quotaGroup()
        let app = try ControlledDaemon(Apps.readyShell, options: ["--workers", "2"], under: group.joining)
        try app.daemon.next("pool_ready")
        try setQuota(2, of: group)
        app.daemon.signal(SIGHUP)
        #expect(try app.daemon.next("reload_done").number("workers") == 2)
        #expect(app.daemon.records("cpus_changed").isEmpty)
        try app.daemon.endsClean()
    }
}
