// What this process may do, and what the settings need of it.
internal import Glibc

struct DaemonRights {
    /// The bits of capabilities(7).
    enum Capability: UInt64 {
        case chown = 0
        case kill = 5
        case setGroup = 6
        case setUser = 7
        case bindService = 10
        case ptrace = 19

        var name: String {
            switch self {
            case .chown: "CAP_CHOWN"
            case .kill: "CAP_KILL"
            case .setGroup: "CAP_SETGID"
            case .setUser: "CAP_SETUID"
            case .bindService: "CAP_NET_BIND_SERVICE"
            case .ptrace: "CAP_SYS_PTRACE"
            }
        }
    }

    let userID = geteuid()
    /// nil: the kernel does not say.
    private let effective = ProcFile.field("CapEff:", in: "/proc/self/status").flatMap { UInt64($0, radix: 16) }

    func has(_ capability: Capability) -> Bool {
        effective.map { $0 & (1 << capability.rawValue) != 0 } ?? (userID == 0)
    }

    /// Whether workers can be what `--user` asks for.
    func findings(_ plan: Plan) -> [Finding] {
        let topic = "user"
        guard plan.userID != userID || plan.settings.program.user != nil else {
            return userID == 0
                ? [
                    Finding(
                        topic, .note, "workers run as root", costs: "a flaw in the program is one of the whole machine",
                        cure: "--user NAME")
                ] : [Finding(topic, ok: "workers run as user \(userID), like the daemon")]
        }
        var needed: [(Capability, Finding.Level, String)] = [
            (.setUser, .broken, "no worker can be started"), (.setGroup, .broken, "no worker can be started"),
        ]
        if plan.userID != userID {
            needed.append((.kill, .broken, "workers cannot be signalled"))
            needed.append(
                (.chown, .less, "any local user can fill the notify sockets of workers, so that heartbeats are lost"))
            let level: Finding.Level = plan.workers > 1 ? .broken : .less
            if plan.sharesPorts { needed.append((.ptrace, level, "workers of another user cannot share ports")) }
        }
        let missing = needed.filter { !has($0.0) }.map { capability, level, cost in
            Finding(
                topic, level, "workers are to run as user \(plan.userID), and \(capability.name) is missing",
                costs: cost, cure: "start it as root with that capability, or without --user")
        }
        return missing.isEmpty ? [Finding(topic, ok: "workers run as user \(plan.userID)")] : missing
    }
}
