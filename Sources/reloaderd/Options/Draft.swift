// Settings in the making: options are applied one by one, and what involves several of them is settled and checked at
// the end.
import Glibc
import Reloader
import Supervisor

struct Draft {
    enum Action {
        case run
        case check
        case help
        case version
    }

    var settings = Settings()
    var action = Action.run
    var configFile: String?
    /// `--group`, which wins over the group in `--user` in either order.
    var group: UInt32?
    /// `--require-user`: workers run as root only if `--user` names it.
    var requiresUser = false
    let users: UserDatabase

    init(users: UserDatabase) { self.users = users }

    /// Applies `--group`, and returns an error for each pair of options that contradict each other.
    mutating func settle() -> [ConfigurationError] {
        let userProblem = userProblem
        if let group {
            // Without --user, workers keep the daemon's user and change only the group.
            var user =
                settings.program.user
                ?? UserChoice(userID: geteuid(), groupID: group, supplementaryGroups: [], name: nil, home: nil)
            user.groupID = group
            settings.program.user = user
        }
        let problems = [userProblem, backoffProblem, readinessProblem, listenersProblem].compactMap { $0 }
        return problems + sharingProblems(settings) + groupProblems(settings)
    }

    private var userProblem: ConfigurationError? {
        guard requiresUser, geteuid() == 0, settings.program.user == nil else { return nil }
        return ConfigurationError(
            "--require-user: no user is named, so that workers would run as root (name one: --user USER, or a line "
                + "'user USER' in the configuration file; --user root if that is meant)")
    }

    private var backoffProblem: ConfigurationError? {
        let policy = settings.policy
        guard policy.backoffBase > policy.backoffCap else { return nil }
        return ConfigurationError(
            "--backoff \(policy.backoffBase.text) is longer than --backoff-cap \(policy.backoffCap.text)")
    }

    private var readinessProblem: ConfigurationError? {
        guard case .after(let delay) = settings.ready, delay >= settings.policy.readyTimeout else { return nil }
        return ConfigurationError(
            "--ready \(delay.text) is not shorter than --ready-timeout \(settings.policy.readyTimeout.text)")
    }

    private var listenersProblem: ConfigurationError? {
        for (index, spec) in settings.listeners.enumerated() {
            let isRepeated = settings.listeners[..<index].contains { $0.address == spec.address }
            // Each port 0 becomes another port.
            if isRepeated && spec.address.port != 0 {
                return ConfigurationError("--listen \(printable(spec.address.description)) is given twice")
            }
        }
        return nil
    }
}

// MARK: port sharing

/// One error for each contradiction between the options of port sharing, drains and listeners.
private func sharingProblems(_ settings: Settings) -> [ConfigurationError] {
    var problems: [String] = []
    let shared = settings.sharesUDP ? "udp" : settings.permittedPorts.min().map { String($0) }
    if !settings.sharesPorts {
        if settings.ready == .listening { problems.append("--ready listen does not work with --no-share, \(unseen)") }
        if settings.drain == .outside { problems.append("--drain outside does not work with --no-share, \(unseen)") }
        if let shared { problems.append("--share \(shared) contradicts --no-share") }
    }
    if settings.listeners.isEmpty {
        if settings.balance == .slot {
            problems.append(
                "--balance slot needs --listen: workers that bind their own ports each have a queue anyway")
        }
    } else {
        if settings.ready == .listening {
            problems.append("--ready listen does not work with --listen: \(handed) (use --ready message or --ready 2s)")
        }
        if settings.drain == .outside {
            problems.append("--drain outside does not work with --listen: \(handed) (use --drain signal)")
        }
        if let shared { problems.append("--share \(shared) does not work with --listen: \(handed)") }
    }
    return problems.map { ConfigurationError($0) }
}

/// One error for each contradiction between the options of control groups and others.
private func groupProblems(_ settings: Settings) -> [ConfigurationError] {
    var problems: [String] = []
    if settings.memoryLimit != nil, !settings.hasGroups {
        problems.append("--memory-limit needs --cgroup: it is the limit of a worker's own control group")
    }
    if settings.hasGroups, settings.keepsChildren {
        problems.append("--keep-children contradicts --cgroup, whose groups end with their workers")
    }
    return problems.map { ConfigurationError($0) }
}

private let unseen = "with which reloaderd does not see the ports of its workers"
private let handed =
    "workers get sockets that listen already, and reloaderd does not watch ports that they bind themselves"
