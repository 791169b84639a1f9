// The last records of the log, for `events`. Formatted only when somebody asks: most are never looked at.

struct RecentRecords {
    static let recordsMax = 256

    private var records: [StampedRecord] = []
    private var oldest = 0

    mutating func append(_ record: StampedRecord) {
        if records.count < Self.recordsMax {
            records.append(record)
        } else {
            records[oldest] = record
            oldest = (oldest + 1) % records.count
        }
    }

    /// As events, oldest first; the newest that fit into `bytesMax`.
    func lines(bytesMax: Int) -> ArraySlice<[UInt8]> {
        lastLines((records[oldest...] + records[..<oldest]).map { $0.json.line }, bytesMax: bytesMax)
    }
}

/// The last of `lines` that fit into `bytesMax`, with their newlines.
func lastLines(_ lines: [[UInt8]], bytesMax: Int) -> ArraySlice<[UInt8]> {
    var bytes = 0
    let first = lines.lastIndex { line in
        bytes += line.count + 1
        return bytes > bytesMax
    }
    return lines[(first.map { $0 + 1 } ?? 0)...]
}
