// What tests that need namespaces of their own ask first, once: are they allowed here?
import Foundation
import Testing

enum Namespaces {
    /// Why there can be none; nil: there can.
    static let problem: String? = {
        let run = try? CommandRun.run(["unshare", "--pid", "--mount", "--net", "--cgroup", "--fork", "true"])
        guard let run else { return "unshare(1) cannot be started" }
        return run.status == 0 ? nil : "namespaces are not permitted here: \(run.errors.prefix(200))"
    }()

    /// Why there can be no systemd in them.
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
