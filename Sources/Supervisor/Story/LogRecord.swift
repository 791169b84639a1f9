// One event for people and programs to read: a level, a stable name, some fields, a sentence.
internal import Reloader

struct LogRecord {
    enum Level: String {
        case info
        case warning
        case error

        /// sd-daemon(3): the prefix by which the journal knows the level of a line.
        var journalPrefix: String {
            switch self {
            case .info: "<6>"
            case .warning: "<4>"
            case .error: "<3>"
            }
        }
    }

    enum Value {
        case text(String)
        case number(Int)
        /// Written in seconds.
        case duration(Duration)
    }

    var level: Level
    /// Stable, for programs: `worker_ready`.
    var event: String
    /// For people.
    var message: String
    var fields: [(key: String, value: Value)]

    init(_ level: Level, _ event: String, _ message: String, _ fields: [(key: String, value: Value)] = []) {
        self.level = level
        self.event = event
        self.message = message
        self.fields = fields
    }
}

extension LogRecord.Value: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
    init(stringLiteral value: String) { self = .text(value) }
    init(integerLiteral value: Int) { self = .number(value) }
}
