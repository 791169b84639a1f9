import Testing

@testable import Supervisor

@Suite struct CPUCountTests {
    private static let unifiedMount =
        "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"

    private func quota(_ files: [String: String]) throws -> Int? {
        let folder = try TestFolder()
        for (name, text) in files { try folder.write(name, text) }
        return CPUCount.current(root: folder.path).quotaMilliCPUs
    }

    @Test func readsUnifiedQuotaOfEachLevel() throws {
        let files = [
            "proc/self/cgroup": "0::/app.slice/web.service\n", "proc/self/mountinfo": Self.unifiedMount,
            "sys/fs/cgroup/app.slice/web.service/cpu.max": "max 100000\n",
            "sys/fs/cgroup/app.slice/cpu.max": "150000 100000\n",
        ]
        #expect(try quota(files) == 1500)
        var tighter = files
        tighter["sys/fs/cgroup/app.slice/web.service/cpu.max"] = "25000 100000\n"
        #expect(try quota(tighter) == 250)
        var none = files
        none["sys/fs/cgroup/app.slice/cpu.max"] = "max 100000\n"
        #expect(try quota(none) == nil)
    }

    /// In a container the process' own cgroup is the root of what is mounted.
    @Test(arguments: ["/", "/../..", "/docker/abc"])
    func readsQuotaOfAContainer(_ path: String) throws {
        let files = [
            "proc/self/cgroup": "0::\(path)\n",
            "proc/self/mountinfo": path == "/docker/abc"
                ? "30 24 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n" : Self.unifiedMount,
            "sys/fs/cgroup/cpu.max": "200000 100000\n",
        ]
        #expect(try quota(files) == 2000)
    }

    @Test func readsLegacyQuota() throws {
        let mount =
            "25 20 0:22 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
            + #"26 20 0:23 / /sys/fs/cg\040roup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct"# + "\n"
        let files = [
            "proc/self/cgroup": "5:memory:/m\n4:cpu,cpuacct:/a:b/c\n1:name=systemd:/x\n0::/ignored\n",
            "proc/self/mountinfo": mount,
            "sys/fs/cg roup/cpu,cpuacct/a:b/c/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cg roup/cpu,cpuacct/a:b/c/cpu.cfs_period_us": "100000\n",
            "sys/fs/cg roup/cpu,cpuacct/a:b/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cg roup/cpu,cpuacct/a:b/cpu.cfs_period_us": "20000\n",
        ]
        #expect(try quota(files) == 2500)
    }

    @Test(arguments: ["", "garbage", "0 100000", "100000 0", "100000", "-5 100000", "99999999999999999999 1", "1 2 3"])
    func ignoresWhatIsNoQuota(_ text: String) throws {
        let files = [
            "proc/self/cgroup": "0::/\n", "proc/self/mountinfo": Self.unifiedMount, "sys/fs/cgroup/cpu.max": text,
        ]
        #expect(try quota(files) == nil)
    }

    @Test func needsNoFiles() throws { #expect(try quota([:]) == nil) }

    @Test func takesTheSmallerOfBoth() {
        #expect(CPUCount(affinity: 8, quotaMilliCPUs: nil).automatic == 8)
        #expect(CPUCount(affinity: 8, quotaMilliCPUs: 1500).automatic == 2)
        #expect(CPUCount(affinity: 8, quotaMilliCPUs: 1000).automatic == 1)
        #expect(CPUCount(affinity: 8, quotaMilliCPUs: 1).automatic == 1)
        #expect(CPUCount(affinity: 2, quotaMilliCPUs: 64_000).automatic == 2)
    }

    /// The real affinity of a real process.
    @Test func countsTheAffinityMask() throws {
        let run = try CommandRun.run(["/usr/bin/taskset", "-c", "0", Products.reloaderd, "--check", "/bin/true"])
        #expect(run.status == 0)
        #expect(run.output == "reloaderd: OK: /bin/true: workers auto (1 here), no listeners\n")
        let all = try CommandRun.run(["/usr/bin/nproc"])
        #expect(String(CPUCount.current().affinity) == all.output.split(separator: "\n").first.map(String.init))
    }
}
