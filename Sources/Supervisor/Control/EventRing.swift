// The last records of the log, for `events`. Formatted only when somebody asks: most are never looked at.

struct EventRing {
    private var records: [StampedRecord] = []
    private var oldest = 0

    mutating func append(_ record: StampedRecord) {
        if records.count < ControlLimits.eventsMax {
            records.append(record)
        } else {
            records[oldest] = record
            oldest = (oldest + 1) % records.count
        }
    }

    /// As events, oldest first; the newest that fit `ControlLimits.eventBytesMax`.
    var lines: ArraySlice<[UInt8]> {
        lastLines((records[oldest...] + records[..<oldest]).map { $0.json.line }, bytesMax: ControlLimits.eventBytesMax)
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
