// Settings in the making: options are applied to it one by one, and what involves several of them is settled at the end.
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
    /// `--group`, which wins over the group in `--user` wherever it stands.
    var group: UInt32?
    let users: UserDatabase

    init(users: UserDatabase) { self.users = users }

    /// Applies `--group`, and returns what is wrong with options that contradict each other.
    mutating func settle() -> [ConfigurationError] {
        if let group {
            // Without --user the workers stay who the daemon is, but for the group.
            var user =
                settings.program.user
                ?? UserChoice(userID: geteuid(), groupID: group, supplementaryGroups: [], name: nil, home: nil)
            user.groupID = group
            settings.program.user = user
        }
        let problems = [backoffProblem, readinessProblem, listenersProblem].compactMap { $0 }
        return problems + sharingProblems(settings)
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
            // Port 0 is another port each time.
            if isRepeated && spec.address.port != 0 {
                return ConfigurationError("--listen \(printable(spec.address.description)) is given twice")
            }
        }
        return nil
    }
}
