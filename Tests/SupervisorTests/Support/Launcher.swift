// Starts programs in odd surroundings, as somebody else, or as an outer supervisor would; and what this machine allows.
import Foundation
import Glibc
import Testing

enum Launcher {
    /// launcher.py, whose head says what it can be told; `--` and the program follow.
    static let words = ["/usr/bin/python3", "\(Products.tests)/Programs/launcher.py"]

    /// Announces descriptors 3, 4, … to the program that follows as its listeners (LISTEN_FDS, LISTEN_PID). It becomes
    /// the program: only a process itself knows its number before that.
    static func announcing(listeners count: Int) -> [String] {
        ["/bin/sh", "-c", "export LISTEN_FDS=\(count) LISTEN_PID=$$; exec \"$@\"", "sh"]
    }

    /// Only root may change users and set negative nice values.
    static let isRoot = geteuid() == 0

    /// A user without rights, for whom the system needs no entry.
    static let nobody: UInt32 = 65534

    /// The words that run a command as that user.
    static let asNobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]

    /// Copies of the daemon and of worker.py where every user can run them, whatever folder the package lies in.
    static func copyForEverybody(to folder: TestFolder) throws -> (daemon: String, worker: [String]) {
        let run = try CommandRun.run([
            "/bin/sh", "-c", "chmod 755 \"$3\" && cp \"$1\" \"$2\" \"$3\" && chmod 755 \"$3\"/*", "sh",
            Products.reloaderd,
            Products.worker, folder.path,
        ])
        guard run.status == 0 else { throw DidNotHappen(description: "cannot copy the daemon: \(run.errors)") }
        return ("\(folder.path)/reloaderd", ["/usr/bin/python3", "\(folder.path)/worker.py"])
    }
}

/// Whether tests may have namespaces of their own here.
enum Namespaces {
    /// The reason why there can be none; nil if there can.
    static let problem: String? = {
        let run = try? CommandRun.run(["unshare", "--pid", "--mount", "--net", "--cgroup", "--fork", "true"])
        guard let run else { return "unshare(1) cannot be started" }
        return run.status == 0 ? nil : "namespaces are not permitted here: \(run.errors.prefix(200))"
    }()

    /// The reason why there can be no systemd in them; nil if there can.
    static let systemdProblem: String? = {
        if let problem { return problem }
        if !FileManager.default.isExecutableFile(atPath: "/lib/systemd/systemd") { return "systemd is not installed" }
        for tool in ["nsenter", "setpriv", "pivot_root", "ip"] {
            let run = try? CommandRun.run(
                ["sh", "-c", "command -v \(tool)"], environment: ChildProcess.plainEnvironment)
            if run?.status != 0 { return "\(tool)(8) is not installed" }
        }
        return nil
    }()
}
