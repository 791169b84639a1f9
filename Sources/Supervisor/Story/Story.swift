// What people are told: one record in. It becomes a line on standard error, is kept for whoever asks for the last events, and
// waits for those who follow them.
internal import CLinux
internal import Glibc

final class Story {
    /// The log's way out, shared with workers whose output goes there too.
    let sink: OutputSink
    private let formatter: LogFormatter
    /// Marks each record, if the user has named this daemon.
    private let name: String?
    private var recent = RecentRecords()
    private var news: [StampedRecord] = []
    /// Messages that are told at most once.
    private var toldOnce: Set<String> = []
    /// Set it while somebody follows: records are then kept for `takeNews`.
    var isFollowed = false

    init(format: LogFormat, name: String?, environment: Environment) throws(SystemError) {
        sink = try OutputSink(.standardError)
        formatter = LogFormatter(format: format, isJournal: Self.isJournal(environment))
        self.name = name
    }

    /// Returns the record as it was written.
    @discardableResult
    func tell(_ record: LogRecord) -> StampedRecord {
        let stamped = stamped(record)
        sink.writeLine(formatter.line(stamped.record, at: stamped.time))
        keep(stamped)
        return stamped
    }

    /// How records are written.
    var format: LogFormat { formatter.format }
    var isJournal: Bool { formatter.isJournal }

    /// The record as a line of the log, for a place in what workers write: it is no news, and not kept.
    func line(_ record: LogRecord) -> [UInt8] {
        let stamped = stamped(record)
        return formatter.line(stamped.record, at: stamped.time)
    }

    /// Tells the record, unless its message was told so before.
    func tellOnce(_ record: LogRecord) {
        if toldOnce.insert(record.message).inserted { tell(record) }
    }

    /// For a record whose words stand in the log already: only those who ask for events or follow them get it.
    func note(_ record: LogRecord) { keep(stamped(record)) }

    /// The last records as events of the control protocol, oldest first; the newest that fit into `bytesMax`.
    func recentLines(bytesMax: Int) -> ArraySlice<[UInt8]> { recent.lines(bytesMax: bytesMax) }

    /// Returns what has been told since the last call while somebody followed.
    func takeNews() -> [StampedRecord] {
        defer { news.removeAll() }
        return news
    }

    private func stamped(_ record: LogRecord) -> StampedRecord {
        var record = record
        if let name { record.fields.insert(("daemon", .text(name)), at: 0) }
        return StampedRecord(record: record, time: WallClock.now())
    }

    private func keep(_ record: StampedRecord) {
        recent.append(record)
        if isFollowed { news.append(record) }
    }

    /// Writes what waits; once all is out, says what had to be dropped meanwhile.
    func flush() {
        sink.flush()
        guard !sink.isWaiting else { return }
        let dropped = sink.takeDroppedLines()
        if dropped > 0 {
            tell(
                LogRecord(
                    .warning, "log_dropped", "standard error was blocked: log lines are lost",
                    [("lines", .number(dropped))]))
        }
    }

    /// The end: a reader that is slow still gets all, one that has stopped is not waited for.
    func finish() {
        sink.drain()
        flush()
    }

    /// systemd.exec(5): JOURNAL_STREAM names the device and inode of the journal's socket.
    private static func isJournal(_ environment: Environment) -> Bool {
        guard let stream = environment["JOURNAL_STREAM"] else { return false }
        var status = stat()
        return fstat(2, &status) == 0 && stream == "\(status.st_dev):\(status.st_ino)"
    }
}
