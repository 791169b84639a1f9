// One event for people and programs to read: a level, a stable name, some fields, a sentence.
internal import Glibc
internal import Reloader

struct LogRecord: Codable {
    enum Level: String, Codable {
        case info
        case warning
        case error

        /// The prefix that tells the journal the level of a line: sd-daemon(3).
        var journalPrefix: String {
            switch self {
            case .info: "<6>"
            case .warning: "<4>"
            case .error: "<3>"
            }
        }
    }

    enum Value: Codable {
        case text(String)
        case number(Int)
        /// Written in seconds.
        case duration(Duration)
    }

    var level: Level
    /// A stable name, for programs: `worker_ready`.
    var event: String
    /// A sentence, for people.
    var message: String
    var fields: [(key: String, value: Value)]

    init(_ level: Level, _ event: String, _ message: String, _ fields: [(key: String, value: Value)] = []) {
        self.level = level
        self.event = event
        self.message = message
        self.fields = fields
    }
}

extension LogRecord {
    private struct Field: Codable {
        let key: String
        let value: Value
    }

    private enum CodingKeys: CodingKey {
        case level, event, message, fields
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            try container.decode(Level.self, forKey: .level), try container.decode(String.self, forKey: .event),
            try container.decode(String.self, forKey: .message),
            try container.decode([Field].self, forKey: .fields).map { ($0.key, $0.value) })
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(level, forKey: .level)
        try container.encode(event, forKey: .event)
        try container.encode(message, forKey: .message)
        try container.encode(fields.map { Field(key: $0.key, value: $0.value) }, forKey: .fields)
    }
}

extension LogRecord.Value: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
    init(stringLiteral value: String) { self = .text(value) }
    init(integerLiteral value: Int) { self = .number(value) }
}

/// A record of the log with its time.
struct StampedRecord: Codable {
    var record: LogRecord
    var time: timespec

    /// The record as an event of the control protocol, with the keys of the log in JSON.
    var json: JSON {
        var members: [JSON.Member] = [
            .init("type", .word(MessageKind.event)), .init("time", .string(LogFormatter.timestamp(time))),
            .init("level", .string(record.level.rawValue)), .init("event", .string(record.event)),
        ]
        for (key, value) in record.fields {
            switch value {
            case .text(let text): members.append(.init(key, .string(text)))
            case .number(let number): members.append(.init(key, .integer(number)))
            case .duration(let duration): members.append(.init(key, .seconds(duration)))
            }
        }
        members.append(.init("msg", .string(record.message)))
        return .object(members)
    }
}
