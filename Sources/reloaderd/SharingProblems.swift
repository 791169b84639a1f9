// What is wrong with options of port sharing and drains that contradict each other.
import Supervisor

/// One error for each contradiction.
func sharingProblems(_ settings: Settings) -> [ConfigurationError] {
    var problems: [String] = []
    if !settings.sharesPorts {
        if settings.ready == .listening { problems.append("--ready listen does not work with --no-share, \(unseen)") }
        if settings.drain == .outside { problems.append("--drain outside does not work with --no-share, \(unseen)") }
        if settings.sharesUDP { problems.append("--share udp contradicts --no-share") }
    }
    if settings.listeners.isEmpty {
        if settings.balance == .slot {
            problems.append(
                "--balance slot needs --listen: workers that bind their own ports have a listener each anyway")
        }
    } else {
        if settings.ready == .listening {
            problems.append("--ready listen does not work with --listen: \(handed) (use --ready message or --ready 2s)")
        }
        if settings.drain == .outside {
            problems.append("--drain outside does not work with --listen: \(handed) (use --drain signal)")
        }
        if settings.sharesUDP { problems.append("--share udp does not work with --listen: \(handed)") }
    }
    return problems.map { ConfigurationError($0) }
}

private let unseen = "which leaves reloaderd unaware of the ports that workers listen on"
private let handed = "workers get sockets that listen already, and binding ports of their own is not looked at"
