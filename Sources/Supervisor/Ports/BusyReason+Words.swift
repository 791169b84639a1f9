// Why a connection holds a drain, in words for the log and for `status`.
internal import Reloader

extension BusyReason {
    var words: String {
        switch self {
        case .unread(let bytes): "\(bytes) \(bytes == 1 ? "byte" : "bytes") that the program has not read"
        case .sending: "an answer on its way"
        case .unanswered(let time): "a request that was not answered, for \(Self.seconds(time))"
        case .undecided(let time):
            "answered \(Self.seconds(time)) ago and perhaps asked again in the same moment"
        case .answered(let time): "answered \(Self.seconds(time)) ago (answers pause)"
        case .streams(let time): "sent to \(Self.seconds(time)) ago (a stream, which pauses)"
        case .unused(let time): "unused for \(Self.seconds(time))"
        case .endedByClient: "the client has ended its side, the program has not"
        case .endedByWorker: "the program has ended its side, the client has not"
        case .toldToEnd: "idle and closed for reading, the program has not closed it yet"
        }
    }

    /// `1.2s`.
    private static func seconds(_ duration: Duration) -> String {
        let tenths = max(0, duration.nanoseconds) / 100_000_000
        return "\(tenths / 10).\(tenths % 10)s"
    }
}
