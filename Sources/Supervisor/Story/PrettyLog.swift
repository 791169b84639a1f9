// The log as people at a terminal read it: one aligned line an event, without what they would skip. A start is told by
// the line that says that all is up; a reload by its beginning, its progress and its end. Programs read the other
// formats: a line of this one proves nothing, because workers write to the same terminal.
internal import Glibc
internal import Reloader

struct PrettyLog {
    /// Workers come and go in every start and reload; these tell the same more briefly.
    private static let routine: Set<String> = [
        "listening", "worker_started", "worker_listening", "worker_draining", "worker_exited", "reload_asked",
        "worker_status",
    ]
    /// The progress of a reload gets a line at most once in this time.
    private static let progressInterval = Duration.seconds(1)
    private static let successes: Set<String> = ["pool_ready", "reload_done", "promoted", "recycle_done"]
    /// Fields that the line shows elsewhere, or that its message says in words.
    private static let shownElsewhere: Set<String> = [
        "daemon", "slot", "generation", "base", "workers", "pid", "by", "replaced", "took", "after", "on", "from",
        "status_code", "signal", "to_revert",
    ]
    /// As wide as `slot 999`.
    private static let subjectWidth = 8

    private let usesColour: Bool
    private let name: String
    /// How to deploy: a command.
    private let deploy: String
    /// The slots whose trouble was shown: that one is over is news.
    private(set) var troubled: Set<Int> = []
    private var lastProgress: timespec?

    /// - Parameters:
    ///   - usesColour: false if standard error is no terminal, or the user wants none (`NO_COLOR`, `TERM=dumb`).
    ///   - name: as people know the daemon.
    ///   - deploy: the command that deploys.
    init(usesColour: Bool, name: String, deploy: String) {
        self.usesColour = usesColour
        self.name = name
        self.deploy = deploy
    }

    /// Goes on for a daemon that was replaced: `troubled` as it was there.
    mutating func goOn(troubled: Set<Int>) { self.troubled = troubled }

    /// The record as a line without its newline; nil if people need not see it.
    mutating func line(_ record: LogRecord, at time: timespec) -> String? {
        guard isWorthSeeing(record, at: time) else { return nil }
        let clock = Self.clock(time)
        let subject = Self.subject(of: record)
        let padding = String(repeating: " ", count: max(0, Self.subjectWidth - subject.count))
        return "\(clock)  \(paint(subject, .faint))\(padding)  \(paint(message(of: record), Self.colour(of: record)))"
            + details(of: record)
    }

    // MARK: what is shown

    private mutating func isWorthSeeing(_ record: LogRecord, at time: timespec) -> Bool {
        let slot = record.number("slot")
        if record.level != .info {
            if let slot { troubled.insert(slot) }
            return true
        }
        switch record.event {
        case "worker_ready": return slot.map { troubled.remove($0) != nil } ?? true
        case "slot_replaced":
            if let last = lastProgress, Self.time(from: last, to: time) < Self.progressInterval { return false }
            lastProgress = time
            return true
        case "reload_began":
            lastProgress = time
            return true
        default: return !Self.routine.contains(record.event)
        }
    }

    private static func subject(of record: LogRecord) -> String {
        // The message says how many slots serve.
        if record.event == "slot_replaced" { return "" }
        return record.number("slot").map { "slot \($0)" } ?? ""
    }

    private func message(of record: LogRecord) -> String {
        switch record.event {
        case "pool_ready":
            let workers = record.number("workers") ?? 0
            let ports = record.text("on").map { " on \(Self.short($0))" } ?? ""
            return "\(name) is up: \(workers) of \(counted(workers, "worker"))\(ports) · deploy with: \(deploy)"
        case "worker_ready": return "worker is ready again"
        default: return printable(record.message)
        }
    }

    /// `:8080` for all addresses of the machine.
    private static func short(_ addresses: String) -> String {
        var shown: [Substring] = []
        for address in addresses.split(separator: ", ") {
            let isWhole = ["0.0.0.0:", "[::]:"].first { address.hasPrefix($0) }
            let address = isWhole.map { address.dropFirst($0.count - 1) } ?? address
            if !shown.contains(address) { shown.append(address) }
        }
        return shown.joined(separator: ", ")
    }

    /// What the message does not say: ` (0.18s)`, ` delay=0.1s`.
    private func details(of record: LogRecord) -> String {
        var text = ""
        for (key, value) in record.fields {
            if case .duration(let duration) = value, key == "took" || key == "after" {
                text += " (\(LogFormatter.seconds(duration))s)"
            } else if !Self.shownElsewhere.contains(key) {
                text += " \(key)=\(value.words)"
            }
        }
        return text.isEmpty ? "" : paint(text, .faint)
    }

    // MARK: how it looks

    private enum Colour: String {
        case plain = ""
        case faint = "\u{1B}[2m"
        case red = "\u{1B}[31m"
        case yellow = "\u{1B}[33m"
        case green = "\u{1B}[32m"
    }

    private static func colour(of record: LogRecord) -> Colour {
        switch record.level {
        case .error: .red
        case .warning: .yellow
        case .info: successes.contains(record.event) ? .green : .plain
        }
    }

    private func paint(_ text: String, _ colour: Colour) -> String {
        usesColour && colour != .plain && !text.isEmpty ? "\(colour.rawValue)\(text)\u{1B}[0m" : text
    }

    /// `16:20:05`, in the time of the place.
    private static func clock(_ time: timespec) -> String {
        var seconds = time.tv_sec
        var parts = tm()
        localtime_r(&seconds, &parts)
        return [parts.tm_hour, parts.tm_min, parts.tm_sec].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
    }

    private static func time(from one: timespec, to other: timespec) -> Duration {
        .nanoseconds(
            Int64(other.tv_sec &- one.tv_sec).multipliedReportingOverflow(by: 1_000_000_000).partialValue
                &+ Int64(other.tv_nsec &- one.tv_nsec))
    }
}

extension LogRecord {
    fileprivate func number(_ key: String) -> Int? {
        for case (key, .number(let number)) in fields { return number }
        return nil
    }

    fileprivate func text(_ key: String) -> String? {
        for case (key, .text(let text)) in fields { return text }
        return nil
    }
}

extension LogRecord.Value {
    fileprivate var words: String {
        switch self {
        case .text(let text): printable(text)
        case .number(let number): "\(number)"
        case .duration(let duration): "\(LogFormatter.seconds(duration))s"
        }
    }
}
