// A record of the log with its time.
internal import Glibc

struct StampedRecord {
    var record: LogRecord
    var time: timespec

    /// An event of the control protocol: the keys of the log in JSON.
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
