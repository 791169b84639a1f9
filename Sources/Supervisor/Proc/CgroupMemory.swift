// The memory limits of the process's own control groups: memory.max in v2, memory.limit_in_bytes in v1.

struct CgroupMemory {
    /// A prefix for /proc and the cgroup mounts, for tests.
    var root = ""

    /// v1 writes the largest number of whole pages for "no limit".
    private static let unlimited: UInt64 = 1 << 62

    /// What is left to the tightest of the groups, from the process's own up to the mount. File cache counts as free,
    /// because the kernel drops it before it kills. nil if there is no limit, or none can be read.
    var freeBytes: UInt64? {
        var result: UInt64?
        for cgroup in Cgroup.own(with: "memory", root: root) {
            for directory in cgroup.directories {
                let path = root + directory
                guard let free = cgroup.isUnified ? Self.unified(path) : Self.legacy(path) else { continue }
                result = min(result ?? free, free)
            }
        }
        return result
    }

    private static func unified(_ directory: String) -> UInt64? {
        free(
            limit: number("\(directory)/memory.max"), used: number("\(directory)/memory.current"),
            "\(directory)/memory.stat", ["active_file", "inactive_file", "slab_reclaimable"])
    }

    private static func legacy(_ directory: String) -> UInt64? {
        free(
            limit: number("\(directory)/memory.limit_in_bytes"), used: number("\(directory)/memory.usage_in_bytes"),
            "\(directory)/memory.stat", ["total_active_file", "total_inactive_file"])
    }

    private static func free(limit: UInt64?, used: UInt64?, _ statistics: String, _ reclaimable: Set<Substring>)
        -> UInt64?
    {
        guard let limit, let used, limit < unlimited else { return nil }
        let cache = ProcFile.lines(statistics).reduce(UInt64(0)) { sum, line in
            let words = line.split(separator: " ")
            guard words.count == 2, reclaimable.contains(words[0]), let bytes = decimal(words[1].utf8) else {
                return sum
            }
            let (total, overflow) = sum.addingReportingOverflow(bytes)
            return overflow ? .max : total
        }
        let kept = used > cache ? used - cache : 0
        return limit > kept ? limit - kept : 0
    }

    /// nil for `max`.
    private static func number(_ path: String) -> UInt64? { ProcFile.lines(path).first.flatMap { decimal($0.utf8) } }
}
