// One TCP connection of a worker as the kernel describes it, and what can be inferred from that alone.

/// What the kernel says about one connection at one moment: `TCP_INFO`, `TCP_QUICKACK` and `FIONREAD` of tcp(7). All
/// times are milliseconds before that moment, counted in the kernel's ticks: two events that are less than a tick apart
/// (1 to 10 milliseconds, depending on CONFIG_HZ) have the same time.
public struct ConnectionFacts: Equatable, Sendable {
    public enum Side: Equatable, Sendable {
        /// Both sides may send.
        case open
        /// The client has ended its side and may still wait for an answer.
        case endedByClient
        /// The worker has ended its side.
        case endedByWorker
    }

    public var side = Side.open
    public var bytesReceived: UInt64 = 0
    /// Received, but not yet read by the program.
    public var bytesUnread: UInt64 = 0
    /// Retransmitted bytes are not counted again.
    public var bytesSent: UInt64 = 0
    /// Written by the program, but not yet sent.
    public var bytesUnsent: UInt64 = 0
    public var segmentsUnacknowledged: UInt32 = 0
    /// Time since the worker's host last sent data, or since the connection was made if it never has.
    public var sentAgo: UInt32 = 0
    /// Time since data was last received, or since the connection was made if none ever was.
    public var receivedAgo: UInt32 = 0
    /// Time since the client last acknowledged anything, with data or without.
    public var acknowledgedAgo: UInt32 = 0
    public var roundTrip: UInt32 = 0
    /// How long the worker's host waits, at most, for an answer to carry its acknowledgement before it sends a bare
    /// one.
    public var acknowledgementDelay: UInt32 = 0
    public var segmentsReceived: UInt32 = 0
    public var segmentsSent: UInt32 = 0
    public var dataSegmentsReceived: UInt32 = 0
    public var dataSegmentsSent: UInt32 = 0
    /// `TCP_QUICKACK` is not 0: received data is acknowledged by bare segments, because nothing was sent soon after it.
    public var acknowledgesByItself = false

    public init() {}

    /// Time since anything was sent or received.
    public var silence: UInt32 { min(sentAgo, receivedAgo) }

    enum LastWord {
        case client
        case worker
        /// Both spoke within the same tick, so their order is unknown.
        case unknown
    }

    /// The side that sent last. A client that sends its next request as soon as it has an answer does so within the
    /// same tick.
    var lastWord: LastWord {
        if receivedAgo < sentAgo { return .client }
        if sentAgo < receivedAgo { return .worker }
        return wasAcknowledgedLater || needsNoAcknowledgement ? .worker : .unknown
    }

    /// The client acknowledged something in a later tick, without data. If it had sent a request after an answer, that
    /// request would have acknowledged the answer. (A much later acknowledgement answers a keepalive probe:
    /// SO_KEEPALIVE waits at least 1 s. A segment that came twice is acknowledged late as well, but it sets
    /// TCP_QUICKACK to 1.)
    private var wasAcknowledgedLater: Bool {
        !acknowledgesByItself && acknowledgedAgo < receivedAgo
            && receivedAgo - acknowledgedAgo <= 250 + min(roundTrip, 500)
    }

    /// The data that was received last was acknowledged by the data of an answer. If a timer had acknowledged it,
    /// TCP_QUICKACK would be 1. If the program had read it in several pieces, each read would have been acknowledged by
    /// a segment without data, and there was at most one of those: the one that acknowledges the first data of a
    /// connection.
    private var needsNoAcknowledgement: Bool {
        wasNotAcknowledgedByTimer && (bareSegmentsSent <= 1 || requestsAcknowledgedBare <= 1)
    }

    /// The data that was received last has been acknowledged by data, or because the program read it in several pieces.
    var wasNotAcknowledgedByTimer: Bool {
        !acknowledgesByItself && silence >= max(acknowledgementDelay, 40) + Self.timerDelay
    }

    /// A kernel's timer is late by a tick or two of at most 10 milliseconds each, and by an eighth of 40 to 200
    /// milliseconds.
    private static let timerDelay: UInt32 = 30

    /// The number of segments without data that the worker's host sent.
    var bareSegmentsSent: UInt32 { segmentsSent &- dataSegmentsSent }

    /// The highest number of segments without data that can have acknowledged requests. The others answered probes of
    /// the client. The client cannot have sent more segments without data than one per probe, one per data segment that
    /// it received, and two to connect. This holds only while so few bytes were sent that the client had no need to say
    /// that its buffer has room again.
    private var requestsAcknowledgedBare: Int {
        guard bytesSent <= 30_000 else { return .max }
        return Int(bareSegmentsSent) + Int(dataSegmentsSent) + 2 - Int(segmentsReceived &- dataSegmentsReceived)
    }

    /// The client was sent far more segments than it sent requests, and little data in each: events or tokens.
    var looksLikeStream: Bool {
        UInt64(dataSegmentsSent) > 8 * (UInt64(dataSegmentsReceived) + 1) + bytesSent / 1000
    }
}
