// What workers say, on the ready pipe or the notify socket: sd_notify(3)'s assignments, and a bare newline (s6).
internal import Reloader

enum WorkerMessage: Equatable {
    case ready
    case heartbeat
    case stopping
    case status(String)
    case extendTimeout(Duration)

    /// Bytes of a STATUS= that are kept: it is one line of a table.
    static let statusBytesMax = 256

    /// One line without its newline; nil for what is none of our business, which is ignored as sd_notify(3) asks.
    init?(line: some Collection<UInt8>, emptyMeansReady: Bool) {
        if line.isEmpty {
            guard emptyMeansReady else { return nil }
            self = .ready
            return
        }
        guard let equals = line.firstIndex(of: UInt8(ascii: "=")) else { return nil }
        let value = line[line.index(after: equals)...]
        switch String(decoding: line[..<equals], as: UTF8.self) {
        case "READY":
            guard value.elementsEqual([UInt8(ascii: "1")]) else { return nil }
            self = .ready
        case "WATCHDOG":
            guard value.elementsEqual([UInt8(ascii: "1")]) else { return nil }
            self = .heartbeat
        case "STOPPING":
            guard value.elementsEqual([UInt8(ascii: "1")]) else { return nil }
            self = .stopping
        case "STATUS":
            self = .status(String(decoding: value.prefix(Self.statusBytesMax), as: UTF8.self))
        case "EXTEND_TIMEOUT_USEC":
            guard let microseconds = Int64(String(decoding: value.prefix(20), as: UTF8.self)), microseconds > 0 else {
                return nil
            }
            self = .extendTimeout(
                .nanoseconds(microseconds.multipliedReportingOverflow(by: 1000).overflow ? .max : microseconds * 1000))
        default:
            return nil
        }
    }
}
