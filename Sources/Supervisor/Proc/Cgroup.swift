// Finds the process's own control groups: /proc/self/cgroup is described in cgroups(7), mountinfo in proc(5).

/// One hierarchy that this process is in.
struct Cgroup {
    /// Whether this is v2; otherwise it is v1 with one controller.
    let isUnified: Bool
    /// The directories of this group and of all groups above it that are mounted here, the lowest first.
    let directories: [String]

    /// /proc/self/mountinfo can be long in container hosts.
    private static let mountsBytesMax = 8 << 20

    /// The hierarchies of v2, and of v1 with this controller, as far as they are mounted.
    ///
    /// - Parameter root: a prefix for /proc and for the mounts, for tests. The returned directories do not have it.
    static func own(with controller: String, root: String = "") -> [Cgroup] {
        let memberships = ProcFile.lines("\(root)/proc/self/cgroup").compactMap(Membership.init)
        let mounts = ProcFile.lines("\(root)/proc/self/mountinfo", atMost: mountsBytesMax).compactMap {
            CgroupMount($0, controller: controller)
        }
        return mounts.compactMap { mount in
            let membership = memberships.first {
                $0.isUnified == mount.isUnified && ($0.isUnified || $0.controllers.contains { $0 == controller })
            }
            return membership.map { Cgroup(isUnified: mount.isUnified, directories: mount.directories(of: $0.path)) }
        }
    }
}

/// A line of /proc/self/cgroup: `0::/path` in v2, `4:cpu,cpuacct:/path` in v1.
private struct Membership {
    var isUnified: Bool
    var controllers: [Substring]
    var path: String

    init?(_ line: Substring) {
        let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        guard fields.count == 3 else { return nil }
        isUnified = fields[0] == "0" && fields[1].isEmpty
        controllers = fields[1].split(separator: ",")
        path = String(fields[2])
    }
}

/// A line of /proc/self/mountinfo that mounts cgroup v2, or v1 with one controller.
private struct CgroupMount {
    var isUnified: Bool
    /// The cgroup that is mounted; a container may see only its own part of the hierarchy.
    var cgroup: String
    var mountPoint: String

    /// `36 35 98:0 /cgroup /mount/point rw,noatime master:1 - cgroup2 cgroup2 rw,cpu`
    init?(_ line: Substring, controller: String) {
        let fields = line.split(separator: " ")
        guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 3 else { return nil }
        isUnified = fields[dash + 1] == "cgroup2"
        let controllers = fields[dash + 1] == "cgroup" ? fields[dash + 3].split(separator: ",") : []
        guard isUnified || controllers.contains(where: { $0 == controller }) else { return nil }
        cgroup = unescaped(fields[3])
        mountPoint = unescaped(fields[4])
    }

    /// The directories of the cgroup at `path` and of all above it that are mounted here, the lowest first.
    func directories(of path: String) -> [String] {
        var components = path.split(separator: "/")[...]
        let above = cgroup.split(separator: "/")
        // If the path is outside of what is mounted, the mount itself is all that can be seen.
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
