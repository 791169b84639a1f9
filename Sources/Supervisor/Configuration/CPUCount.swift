// How many CPUs the daemon may really use: what its affinity mask leaves, and what its cgroup's quota leaves of that.
// cgroup v2 (cpu.max) is described in the kernel's Documentation/admin-guide/cgroup-v2.rst, v1 (cpu.cfs_quota_us) in
// scheduler/sched-bwc.rst, /proc/self/cgroup in cgroups(7), mountinfo in proc(5).
internal import CLinux

/// The CPUs that this process may use, as `--workers auto` counts them.
public struct CPUCount: Equatable, Sendable {
    /// CPUs in the affinity mask, at least 1.
    public var affinity: Int
    /// The tightest quota of the process' cgroup and those above it, in thousandths of a CPU; nil: none.
    public var quotaMilliCPUs: Int?

    public init(affinity: Int, quotaMilliCPUs: Int?) {
        self.affinity = affinity
        self.quotaMilliCPUs = quotaMilliCPUs
    }

    /// Looks at the system as it is now. What cannot be read limits nothing.
    ///
    /// - Parameter root: put in front of /proc and of the cgroup mounts; for tests.
    public static func current(root: String = "") -> CPUCount {
        CPUCount(affinity: max(1, Int(rl_affinity_count())), quotaMilliCPUs: CgroupQuota(root: root).tightest)
    }

    /// The smaller of the two, a broken CPU counted as a whole one; at least 1.
    public var automatic: Int {
        guard let quotaMilliCPUs else { return max(1, affinity) }
        return max(1, min(affinity, (quotaMilliCPUs + 999) / 1000))
    }
}

private struct CgroupQuota {
    /// /proc/self/mountinfo can be long in container hosts.
    private static let bytesMax = 8 << 20

    let root: String

    /// The smallest quota of each hierarchy with a CPU controller, along the path up to the mount.
    var tightest: Int? {
        let memberships = lines("/proc/self/cgroup").compactMap(Membership.init)
        var result: Int?
        for mount in lines("/proc/self/mountinfo").compactMap(CgroupMount.init) {
            guard
                let membership = memberships.first(where: {
                    $0.isUnified == mount.isUnified && ($0.isUnified || $0.hasCPU)
                })
            else { continue }
            for directory in mount.directories(of: membership.path) {
                guard let quota = mount.isUnified ? unifiedQuota(directory) : legacyQuota(directory) else { continue }
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

    /// cpu.cfs_quota_us is -1 where there is no quota.
    private func legacyQuota(_ directory: String) -> Int? {
        milliCPUs(quota: number("\(directory)/cpu.cfs_quota_us"), period: number("\(directory)/cpu.cfs_period_us"))
    }

    /// Rounded up, so that it is never 0 and no part of a CPU is lost before the last rounding.
    private func milliCPUs(quota: UInt64?, period: UInt64?) -> Int? {
        guard let quota, let period, quota > 0, period > 0, quota <= UInt64(Int64.max) / 1000 else { return nil }
        return Int((quota * 1000 - 1) / period + 1)
    }

    private func number(_ path: String) -> UInt64? { lines(path).first.flatMap { decimal($0.utf8) } }

    /// None when the file cannot be read: no cgroup, no controller, no /proc.
    private func lines(_ path: String) -> [Substring] {
        guard let bytes = try? fileContents(root + path, bytesMax: Self.bytesMax) else { return [] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    }
}

/// A line of /proc/self/cgroup: `0::/path` in v2, `4:cpu,cpuacct:/path` in v1.
private struct Membership {
    var isUnified: Bool
    var hasCPU: Bool
    var path: String

    init?(_ line: Substring) {
        let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        guard fields.count == 3 else { return nil }
        isUnified = fields[0] == "0" && fields[1].isEmpty
        hasCPU = fields[1].split(separator: ",").contains("cpu")
        path = String(fields[2])
    }
}

/// A line of /proc/self/mountinfo that mounts cgroup v2, or v1 with the CPU controller.
private struct CgroupMount {
    var isUnified: Bool
    /// The cgroup that is mounted; a container may see only its own part of the hierarchy.
    var cgroup: String
    var mountPoint: String

    /// `36 35 98:0 /cgroup /mount/point rw,noatime master:1 - cgroup2 cgroup2 rw,cpu`
    init?(_ line: Substring) {
        let fields = line.split(separator: " ")
        guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 3 else { return nil }
        isUnified = fields[dash + 1] == "cgroup2"
        let hasCPU = fields[dash + 1] == "cgroup" && fields[dash + 3].split(separator: ",").contains("cpu")
        guard isUnified || hasCPU else { return nil }
        cgroup = unescaped(fields[3])
        mountPoint = unescaped(fields[4])
    }

    /// The directories of the cgroup at `path` and of all above it that are mounted here, the lowest first.
    func directories(of path: String) -> [String] {
        var components = path.split(separator: "/")[...]
        let above = cgroup.split(separator: "/")
        // Where the path does not lie in what is mounted, what is mounted is all that can be seen of it.
        let isBelow = components.starts(with: above) && !components.contains("..")
        components = isBelow ? components.dropFirst(above.count) : []
        var result: [String] = []
        while !components.isEmpty {
            result.append("\(mountPoint)/\(components.joined(separator: "/"))")
            components.removeLast()
        }
        return result + [mountPoint]
    }
}

/// mountinfo writes blanks and backslashes as three octal digits.
private func unescaped(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = text.utf8
    while let byte = rest.popFirst() {
        let digits = rest.prefix(3)
        if byte == UInt8(ascii: "\\"), digits.count == 3, let value = UInt8(Substring(digits), radix: 8) {
            bytes.append(value)
            rest = rest.dropFirst(3)
        } else {
            bytes.append(byte)
        }
    }
    return String(decoding: bytes, as: UTF8.self)
}
