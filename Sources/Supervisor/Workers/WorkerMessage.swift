// What workers say, on the ready pipe or the notify socket, in the words of sd_notify(3).
internal import Reloader

/// The assignments of sd_notify(3), and a bare newline (s6).
enum WorkerMessage: Equatable {
    case ready
    case heartbeat
    case stopping
    case status(String)
    case extendTimeout(Duration)

    /// The bytes of a STATUS= that are kept: it is shown in one line of a table.
    static let statusBytesMax = 256

    /// Parses one line without its newline; nil for assignments that mean nothing here: sd_notify(3) asks that they be
    /// ignored.
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

/// The messages of one read: each kind once, however often it was said, so that a worker that fills its pipe costs no
/// more than one that says each thing once. What was said last counts.
struct WorkerMessages {
    private var isReady = false
    private var isAlive = false
    private var isStopping = false
    private var extensionOfTime: Duration?
    private var status: String?

    mutating func add(_ message: WorkerMessage) {
        switch message {
        case .ready: isReady = true
        case .heartbeat: isAlive = true
        case .stopping: isStopping = true
        case .extendTimeout(let duration): extensionOfTime = duration
        case .status(let text): status = text
        }
    }

    /// The status comes first, which is for people only. Then READY=1: all else that came with it is said by a worker
    /// that is ready.
    var all: [WorkerMessage] {
        let telling = status.map { WorkerMessage.status($0) }
        let extending = extensionOfTime.map { WorkerMessage.extendTimeout($0) }
        return [
            telling, isReady ? .ready : nil, extending, isAlive ? .heartbeat : nil, isStopping ? .stopping : nil,
        ].compactMap { $0 }
    }
}
