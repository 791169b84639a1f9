// One TCP connection of a worker as the kernel describes it, and what follows from that alone.

/// What the kernel says of one connection at one moment: `TCP_INFO`, `TCP_QUICKACK` and `FIONREAD` of tcp(7). All times are
/// milliseconds before that moment, and counted in the kernel's ticks: two events that are less than a tick apart (1 to 10
/// milliseconds, by CONFIG_HZ) have the same time.
public struct ConnectionFacts: Equatable, Sendable {
    public enum Side: Equatable, Sendable {
        /// Both sides may send.
        case open
        /// The client has ended its side, and may still wait for an answer.
        case endedByClient
        /// The worker has ended its side.
        case endedByWorker
    }

    public var side = Side.open
    public var bytesReceived: UInt64 = 0
    /// Received, and not read by the program.
    public var bytesUnread: UInt64 = 0
    /// Without those that were sent again.
    public var bytesSent: UInt64 = 0
    /// Written by the program, and not sent yet.
    public var bytesUnsent: UInt64 = 0
    public var segmentsUnacknowledged: UInt32 = 0
    /// Since the worker's host last sent data; since the connection was made if it never has.
    public var sentAgo: UInt32 = 0
    /// Since data was last received; since the connection was made if it never was.
    public var receivedAgo: UInt32 = 0
    /// Since the client last acknowledged anything, with data or without.
    public var acknowledgedAgo: UInt32 = 0
    public var roundTrip: UInt32 = 0
    /// How long the worker's host waits for an answer to carry its acknowledgement, at most, before it sends one by itself.
    public var acknowledgementDelay: UInt32 = 0
    public var segmentsReceived: UInt32 = 0
    public var segmentsSent: UInt32 = 0
    public var dataSegmentsReceived: UInt32 = 0
    public var dataSegmentsSent: UInt32 = 0
    /// `TCP_QUICKACK` is not 0: what is received is acknowledged by itself, because nothing was sent soon after.
    public var acknowledgesByItself = false

    public init() {}

    /// Since anything was sent or received.
    public var silence: UInt32 { min(sentAgo, receivedAgo) }

    enum LastWord {
        case client
        case worker
        /// Both within a tick: what came first can't be told.
        case unknown
    }

    /// Who sent last. A client that sends its next request as soon as it has an answer does so within the same tick.
    var lastWord: LastWord {
        if receivedAgo < sentAgo { return .client }
        if sentAgo < receivedAgo { return .worker }
        return wasAcknowledgedLater || needsNoAcknowledgement ? .worker : .unknown
    }

    /// The client acknowledged something in a later tick, and without data. A request that it had sent after an answer would
    /// have acknowledged that answer. (What is acknowledged much later answers a probe: SO_KEEPALIVE, after 1 s at the least.
    /// And a segment that came twice acknowledges late as well, but sets TCP_QUICKACK to 1.)
    private var wasAcknowledgedLater: Bool {
        !acknowledgesByItself && acknowledgedAgo < receivedAgo
            && receivedAgo - acknowledgedAgo <= 250 + min(roundTrip, 500)
    }

    /// What was received last was acknowledged by the data of an answer: had it been acknowledged by a timer, TCP_QUICKACK
    /// would be 1; and had the program read it in several pieces, each time it would have been acknowledged by a segment
    /// without data, of which there was no more than the one that greets the first data of a connection.
    private var needsNoAcknowledgement: Bool {
        wasNotAcknowledgedByTimer && (bareSegmentsSent <= 1 || requestsAcknowledgedBare <= 1)
    }

    /// What was received last has been acknowledged by data, or when the program read it in several pieces.
    var wasNotAcknowledgedByTimer: Bool {
        !acknowledgesByItself && silence >= max(acknowledgementDelay, 40) + Self.timerDelay
    }

    /// A kernel's timer is late by a tick or two, of at most 10 milliseconds, and by an eighth of 40 to 200 milliseconds.
    private static let timerDelay: UInt32 = 30

    /// Segments without data that the worker's host sent.
    var bareSegmentsSent: UInt32 { segmentsSent &- dataSegmentsSent }

    /// At most so many of the segments without data acknowledged requests: the others answered probes, and the client cannot
    /// have sent more than one for each probe, for each segment with data that it got, and two to connect; as long as too few
    /// bytes were sent for it to tell that its buffer has room again.
    private var requestsAcknowledgedBare: Int {
        guard bytesSent <= 30_000 else { return .max }
        return Int(bareSegmentsSent) + Int(dataSegmentsSent) + 2 - Int(segmentsReceived &- dataSegmentsReceived)
    }

    /// It was sent far more often than it asked, and little each time: events, tokens.
    var looksLikeStream: Bool {
        UInt64(dataSegmentsSent) > 8 * (UInt64(dataSegmentsReceived) + 1) + bytesSent / 1000
    }
}
