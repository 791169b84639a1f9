// A control group of a test's own, of v2 or of v1, in whichever hierarchy this machine has the controller. Tests that
// need one are disabled if none can be made.
import Foundation
import Glibc

final class TestGroup {
    let path: String
    let isUnified: Bool

    /// nil: there is no such controller here, or no group can be made.
    ///
    /// - Parameter under: a group that this one is to lie in.
    init?(_ controller: String, under parent: TestGroup? = nil) {
        let name = "reloaderd-test-\(UUID().uuidString)"
        let everywhere = [("/sys/fs/cgroup/\(controller)", false), ("/sys/fs/cgroup", true)]
        let roots = parent.map { [($0.path, $0.isUnified)] } ?? everywhere
        for (root, isUnified) in roots {
            guard !isUnified || Self.read("\(root)/cgroup.subtree_control")?.contains(controller) ?? false,
                FileManager.default.fileExists(atPath: "\(root)/cgroup.procs"), mkdir("\(root)/\(name)", 0o755) == 0
            else { continue }
            path = "\(root)/\(name)"
            self.isUnified = isUnified
            return
        }
        return nil
    }

    /// Writes one of its files; the names are those of v2 and of v1.
    @discardableResult
    func write(_ unified: String, _ legacy: String, _ text: String) -> Bool {
        let file = open("\(path)/\(isUnified ? unified : legacy)", O_WRONLY | O_CLOEXEC)
        defer { close(file) }
        let bytes = Array(text.utf8)
        return Glibc.write(file, bytes, bytes.count) == bytes.count
    }

    /// The words that run a command in this group.
    var joining: [String] { ["/bin/sh", "-c", "echo $$ >\(path)/cgroup.procs && exec \"$@\"", "sh"] }

    /// Nobody is in it any more; a process that has just ended may take a moment to leave.
    deinit {
        for _ in 0..<100 where rmdir(path) != 0 && errno == EBUSY { usleep(10_000) }
    }

    /// Where cgroup2 is mounted; nil: nowhere.
    static let unifiedMount: String? = {
        for line in (read("/proc/mounts") ?? "").split(separator: "\n") {
            let fields = line.split(separator: " ")
            if fields.count > 2, fields[2] == "cgroup2" { return String(fields[1]) }
        }
        return nil
    }()

    /// Whether groups of cgroup2 can have memory limits.
    static let hasUnifiedMemory: Bool = {
        guard let unifiedMount, let controllers = read("\(unifiedMount)/cgroup.controllers") else { return false }
        return controllers.contains("memory")
    }()

    private static func read(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }
}
