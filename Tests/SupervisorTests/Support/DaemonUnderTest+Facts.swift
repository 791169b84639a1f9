// What tests ask of a daemon's log and of what it leaves behind.
import Foundation
import Testing

extension LogLine {
    /// Seconds; of the wall clock, to the millisecond.
    var time: Double {
        guard let text = fields["time"] as? String,
            let date = try? Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse(text)
        else { return .nan }
        return date.timeIntervalSince1970
    }

    /// A field in seconds or a count.
    func number(_ name: String) -> Double { (fields[name] as? NSNumber)?.doubleValue ?? .nan }

    func text(_ name: String) -> String? { fields[name] as? String }
    var level: String { text("level") ?? "" }
}

extension DaemonUnderTest {
    /// Ends it by `number`, and expects status 0 and that no worker is left, nor anything of its process group.
    func endsClean(
        by number: Int32 = 15, _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        signal(number)
        let status = try end()
        #expect(status == 0, comment, sourceLocation: sourceLocation)
        leavesNothing(sourceLocation: sourceLocation)
    }

    /// After its end: no process that the log has named exists.
    func leavesNothing(sourceLocation: SourceLocation = #_sourceLocation) {
        let left = Set(log.compactMap(\.pid)).filter { kill($0, 0) == 0 || kill(-$0, 0) == 0 }
        #expect(left.isEmpty, "processes are left:\n\(story)", sourceLocation: sourceLocation)
    }

    /// The place of a record in the log.
    func place(of record: LogLine) -> Int { log.firstIndex { $0.text == record.text } ?? -1 }

    /// The records after this one.
    func records(after record: LogLine) -> ArraySlice<LogLine> { log[(place(of: record) + 1)...] }
}
