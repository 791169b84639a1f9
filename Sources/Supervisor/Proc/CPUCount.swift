// How many CPUs the daemon may use: those in its affinity mask, limited by the quota of its cgroup. The kernel's
// documentation describes cgroup v2 (cpu.max) in admin-guide/cgroup-v2.rst and v1 (cpu.cfs_quota_us) in
// scheduler/sched-bwc.rst.
internal import CLinux

/// The CPUs that this process may use, as `--workers auto` counts them.
public struct CPUCount: Codable, Equatable, Sendable {
    /// CPUs in the affinity mask, at least 1.
    public var affinity: Int
    /// The smallest quota of the process's cgroup and its ancestors, in thousandths of a CPU; nil if there is none.
    public var quotaMilliCPUs: Int?

    public init(affinity: Int, quotaMilliCPUs: Int?) {
        self.affinity = affinity
        self.quotaMilliCPUs = quotaMilliCPUs
    }

    /// The count at this moment. A file that cannot be read limits nothing.
    ///
    /// - Parameter root: a prefix for /proc and the cgroup mounts, for tests.
    public static func current(root: String = "") -> CPUCount {
        CPUCount(affinity: max(1, allowed().count), quotaMilliCPUs: CgroupQuota(root: root).tightest)
    }

    /// The files whose change can change the count, from the process's own groups up to the mounts. Some may not exist.
    ///
    /// - Parameter root: a prefix for /proc, for tests.
    static func files(root: String = "") -> [String] {
        Cgroup.own(with: "cpu", root: root).flatMap { cgroup in
            cgroup.directories.flatMap { directory in
                (cgroup.isUnified ? ["cpu.max"] : ["cpu.cfs_quota_us", "cpu.cfs_period_us"])
                    .map { "\(directory)/\($0)" }
            }
        }
            + Cgroup.own(with: "cpuset", root: root).flatMap { $0.directories.map { "\($0)/cpuset.cpus" } }
    }

    /// The numbers of the CPUs that this process may run on; empty if the kernel does not say.
    public static func allowed() -> [Int32] {
        // The largest number of CPUs that Linux can be built for.
        var cpus = [Int32](repeating: 0, count: 8192)
        let count = rl_affinity(&cpus, Int32(cpus.count))
        return Array(cpus.prefix(max(0, Int(count))))
    }

    /// The smaller of the two counts, with the quota rounded up to whole CPUs; at least 1.
    public var automatic: Int {
        guard let quotaMilliCPUs else { return max(1, affinity) }
        // Not by adding 999 first: a quota may be as large as Int.
        let whole = quotaMilliCPUs / 1000 + (quotaMilliCPUs % 1000 > 0 ? 1 : 0)
        return max(1, min(affinity, whole))
    }
}

private struct CgroupQuota {
    let root: String

    /// The smallest quota in all hierarchies with a CPU controller, from the cgroup up to the mount.
    var tightest: Int? {
        var result: Int?
        for cgroup in Cgroup.own(with: "cpu", root: root) {
            for directory in cgroup.directories {
                guard let quota = cgroup.isUnified ? unifiedQuota(directory) : legacyQuota(directory) else { continue }
                result = min(result ?? quota, quota)
            }
        }
        return result
    }

    /// cpu.max: `max 100000` or `150000 100000`, microseconds of CPU in each period.
    private func unifiedQuota(_ directory: String) -> Int? {
        let fields = lines("\(directory)/cpu.max").first?.split(separator: " ") ?? []
        guard fields.count == 2 else { return nil }
        return milliCPUs(quota: decimal(fields[0].utf8), period: decimal(fields[1].utf8))
    }

    /// cpu.cfs_quota_us is -1 if there is no quota.
    private func legacyQuota(_ directory: String) -> Int? {
        milliCPUs(quota: number("\(directory)/cpu.cfs_quota_us"), period: number("\(directory)/cpu.cfs_period_us"))
    }

    /// Rounded up, so that the result is never 0 and no part of a CPU is lost before the last rounding.
    private func milliCPUs(quota: UInt64?, period: UInt64?) -> Int? {
        guard let quota, let period, quota > 0, period > 0, quota <= UInt64(Int64.max) / 1000 else { return nil }
        return Int((quota * 1000 - 1) / period + 1)
    }

    private func number(_ path: String) -> UInt64? { lines(path).first.flatMap { decimal($0.utf8) } }

    private func lines(_ path: String) -> [Substring] { ProcFile.lines(root + path) }
}
