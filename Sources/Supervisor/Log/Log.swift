// The daemon's log: records become lines on standard error. Also the road of workers' output, which shares the same
// end.
internal import CLinux
internal import Glibc

struct Log: ~Copyable {
    let sink: OutputSink
    private let formatter: LogFormatter
    /// Marks each line, where the user named this daemon.
    private let name: String?

    init(format: LogFormat, name: String?, environment: Environment) throws(SystemError) {
        sink = try OutputSink(.standardError)
        formatter = LogFormatter(format: format, isJournal: Self.isJournal(environment))
        self.name = name
    }

    /// Returns the record as it was written.
    @discardableResult
    mutating func write(_ record: LogRecord) -> StampedRecord {
        let stamped = stamped(record)
        sink.writeLine(formatter.line(stamped.record, at: stamped.time))
        return stamped
    }

    /// The record as it would be written now.
    func stamped(_ record: LogRecord) -> StampedRecord {
        var record = record
        if let name { record.fields.insert(("daemon", .text(name)), at: 0) }
        return StampedRecord(record: record, time: WallClock.now())
    }

    /// Writes what waits; once all is out, says what had to be dropped meanwhile.
    mutating func flush() {
        sink.flush()
        guard !sink.isWaiting else { return }
        let dropped = sink.takeDroppedLines()
        if dropped > 0 {
            write(
                LogRecord(
                    .warning, "log_dropped", "standard error was blocked: log lines are lost",
                    [("lines", .number(dropped))]))
        }
    }

    /// The end: a reader that is slow still gets all, one that has stopped is not waited for.
    mutating func finish() {
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
