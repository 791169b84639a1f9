// Starts programs in odd surroundings, as somebody else, or as an outer supervisor would.
import Glibc

enum Launcher {
    /// launcher.py, whose head says what it can be told; `--` and the program follow.
    static let words = ["/usr/bin/python3", "\(Products.tests)/Programs/launcher.py"]

    /// Announces descriptors 3, 4, … to the program that follows as its listeners (LISTEN_FDS, LISTEN_PID). It becomes
    /// the program: only a process itself knows its number before that.
    static func announcing(listeners count: Int) -> [String] {
        ["/bin/sh", "-c", "export LISTEN_FDS=\(count) LISTEN_PID=$$; exec \"$@\"", "sh"]
    }

    /// What changing users and negative nice values take.
    static let isRoot = geteuid() == 0

    /// A user without rights, whom the system needs no entry for.
    static let nobody: UInt32 = 65534

    /// What runs a command as that user.
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
