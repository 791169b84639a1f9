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
    var lines: [[UInt8]] {
        var lines: [[UInt8]] = []
        var bytes = 0
        for offset in 1...max(1, records.count) where !records.isEmpty {
            let line = records[(oldest + records.count - offset) % records.count].json.line
            bytes += line.count + 1
            if bytes > ControlLimits.eventBytesMax { break }
            lines.append(line)
        }
        return lines.reversed()
    }
}
