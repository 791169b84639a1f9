// What people are told. Each record becomes a line on standard error, is kept for clients that ask for the last events,
// and waits for clients that follow them.
internal import CLinux
internal import Glibc

final class Story {
    /// Where the log goes, shared with workers whose output goes there too.
    let sink: OutputSink
    private let formatter: LogFormatter
    /// The daemon's name, which marks each record; nil if the user has not named this daemon.
    private let name: String?
    private var recent = RecentRecords()
    private var news: [StampedRecord] = []
    /// Messages that are told at most once.
    private var toldOnce: Set<String> = []
    private var isFollowed = false

    init(format: LogFormat, name: String?, environment: Environment) throws(SystemError) {
        sink = try OutputSink(.standardError)
        formatter = LogFormatter(format: format, isJournal: Self.isJournal(environment))
        self.name = name
    }

    // MARK: for the daemon that comes next

    static let key = "story"

    private struct State: Codable {
        let sink: OutputSink.State
        let recent: RecentRecords
        let toldOnce: Set<String>
    }

    func row() throws(StateError) -> StateRow {
        var descriptors = RowDescriptors()
        let state = State(sink: sink.state(&descriptors), recent: recent, toldOnce: toldOnce)
        return try StateRow(Self.key, state, descriptors)
    }

    init(_ rows: StateRows, format: LogFormat, name: String?, environment: Environment) throws(StateError) {
        let state = try rows.value(State.self, Self.key)
        guard state.recent.isSound else { throw .malformed("the last records of the log") }
        sink = try OutputSink(state.sink, of: Self.key, in: rows)
        formatter = LogFormatter(format: format, isJournal: Self.isJournal(environment))
        self.name = name
        recent = state.recent
        toldOnce = state.toldOnce
    }

    static func check(_ rows: StateRows) throws(StateError) { _ = try rows.value(State.self, key) }

    // MARK: telling

    /// Logs the record, and returns it as it was written.
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

    /// Takes a record whose words are in the log already: only clients that ask for events or follow them get it.
    func note(_ record: LogRecord) { keep(stamped(record)) }

    /// Returns the newest records that fit into `bytesMax`, oldest first, as events of the control protocol.
    func recentLines(bytesMax: Int) -> ArraySlice<[UInt8]> { recent.lines(bytesMax: bytesMax) }

    /// Keeps records for `takeNews` from now on, or no longer.
    func keepNews(while isFollowed: Bool) { self.isFollowed = isFollowed }

    /// Returns the records since the last call that came while a client followed.
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

    /// Writes the lines that wait. Once all are written, says how many had to be dropped meanwhile.
    func flush() {
        sink.flush()
        guard !sink.isWaiting else { return }
        let dropped = sink.takeDroppedLines()
        if dropped > 0 {
            tell(
                LogRecord(
                    .warning, "log_dropped", "standard error was blocked: log lines were lost",
                    [("lines", .number(dropped))]))
        }
    }

    /// Writes the rest of the log at the daemon's end: a slow reader still gets all of it, a reader that has stopped is
    /// not waited for.
    func finish() {
        sink.drain()
        flush()
    }

    /// Whether standard error is the journal: JOURNAL_STREAM names the device and inode of the journal's socket
    /// (systemd.exec(5)).
    private static func isJournal(_ environment: Environment) -> Bool {
        guard let stream = environment["JOURNAL_STREAM"] else { return false }
        var status = stat()
        return fstat(2, &status) == 0 && stream == "\(status.st_dev):\(status.st_ino)"
    }
}

/// The last records of the log, for `events`. They are formatted only on request, because most are never looked at.
struct RecentRecords: Codable {
    static let recordsMax = 256

    private var records: [StampedRecord] = []
    private var oldest = 0

    /// Such records can be added to.
    var isSound: Bool {
        let count = records.count
        return oldest == 0 ? count <= Self.recordsMax : count == Self.recordsMax && records.indices.contains(oldest)
    }

    mutating func append(_ record: StampedRecord) {
        if records.count < Self.recordsMax {
            records.append(record)
        } else {
            records[oldest] = record
            oldest = (oldest + 1) % records.count
        }
    }

    /// Returns the newest records that fit into `bytesMax`, oldest first, as events of the control protocol.
    func lines(bytesMax: Int) -> ArraySlice<[UInt8]> {
        lastLines((records[oldest...] + records[..<oldest]).map { $0.json.line }, bytesMax: bytesMax)
    }
}

/// Returns the last of `lines` that fit into `bytesMax` together with their newlines.
func lastLines(_ lines: [[UInt8]], bytesMax: Int) -> ArraySlice<[UInt8]> {
    var bytes = 0
    let first = lines.lastIndex { line in
        bytes += line.count + 1
        return bytes > bytesMax
    }
    return lines[(first.map { $0 + 1 } ?? 0)...]
}
