// Turns a record into one line: `key=value` for grep, JSON for programs. Both carry the same fields. PrettyLog is for
// people.
internal import Glibc
internal import Reloader

struct LogFormatter {
    /// `key=value` otherwise.
    var isJSON: Bool
    /// Standard error is the journal, so each line starts with its level.
    var isJournal: Bool

    func line(_ record: LogRecord, at time: timespec) -> [UInt8] {
        var line = isJournal ? record.level.journalPrefix : ""
        if isJSON { appendJSON(record, time, to: &line) } else { appendText(record, time, to: &line) }
        line += "\n"
        return Array(line.utf8)
    }

    private func appendText(_ record: LogRecord, _ time: timespec, to line: inout String) {
        line += "time=\(Self.timestamp(time)) level=\(record.level.rawValue) event=\(record.event)"
        for (key, value) in record.fields {
            line += " \(key)="
            switch value {
            case .text(let text): Self.appendWord(text, to: &line)
            case .number(let number): line += String(number)
            case .duration(let duration): line += Self.seconds(duration) + "s"
            }
        }
        line += " msg="
        Self.appendQuoted(record.message, to: &line)
    }

    private func appendJSON(_ record: LogRecord, _ time: timespec, to line: inout String) {
        line +=
            "{\"time\":\"\(Self.timestamp(time))\",\"level\":\"\(record.level.rawValue)\",\"event\":\"\(record.event)\""
        for (key, value) in record.fields {
            line += ",\"\(key)\":"
            switch value {
            case .text(let text): Self.appendQuoted(text, to: &line)
            case .number(let number): line += String(number)
            case .duration(let duration): line += Self.seconds(duration)
            }
        }
        line += ",\"msg\":"
        Self.appendQuoted(record.message, to: &line)
        line += "}"
    }

    /// Writes the text without quotes if it needs none.
    private static func appendWord(_ text: String, to line: inout String) {
        let isPlain =
            !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x5C && $0 != 0x3D }
        if isPlain { line += text } else { appendQuoted(text, to: &line) }
    }

    /// Writes a JSON string (RFC 8259), which logfmt readers accept as well.
    private static func appendQuoted(_ text: String, to line: inout String) {
        var bytes: [UInt8] = []
        JSON.write(text, to: &bytes)
        line += String(decoding: bytes, as: UTF8.self)
    }

    /// Formats seconds with three decimals.
    static func seconds(_ duration: Duration) -> String {
        let milliseconds = max(0, duration.nanoseconds) / 1_000_000
        return "\(milliseconds / 1000).\(padded(milliseconds % 1000, 3))"
    }

    /// Formats a time as in RFC 3339, in UTC with milliseconds.
    static func timestamp(_ time: timespec) -> String {
        var seconds = time.tv_sec
        var parts = tm()
        gmtime_r(&seconds, &parts)
        // Usually twenty bytes. The rest is room for years of many digits: a file's time can be any number.
        let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            let count = strftime(buffer.baseAddress, buffer.count, "%Y-%m-%dT%H:%M:%S", &parts)
            return String(decoding: UnsafeRawBufferPointer(buffer).prefix(count), as: UTF8.self)
        }
        return "\(text).\(padded(Int64(time.tv_nsec) / 1_000_000, 3))Z"
    }

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}
