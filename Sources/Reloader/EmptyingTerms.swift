// The judgement on a worker that is being emptied: is a connection idle, so that it may be closed as if its client had
// hung up?
//
// A connection is idle only if that is proven. If anything was received and not answered, or sent and not acknowledged,
// the connection stays busy, however long that takes; only the time limit ends it. An answer that was sent may be only
// half of the whole answer, which cannot be seen from outside. There, patience is needed, and it ebbs in the second
// half of the time.

/// What the judgement on a connection depends on, besides the connection itself.
public struct EmptyingTerms: Equatable, Sendable {
    /// Time since emptying began.
    public var age: Duration
    /// The age at which the worker gets its stop signal, whatever is left.
    public var limit: Duration
    /// No used connection is closed before it has been silent this long (`--drain-idle`).
    public var shortestIdle: Duration
    /// Other workers go on serving, so that nobody waits for this one to end. False if the pool stops.
    public var isReplaced: Bool

    public init(age: Duration, limit: Duration, shortestIdle: Duration, isReplaced: Bool) {
        self.age = age
        self.limit = limit
        self.shortestIdle = shortestIdle
        self.isReplaced = isReplaced
    }

    /// How long an answered connection must be silent. Models that think, queries between two rows and proxies that
    /// buffer pause for 2 or 3 seconds.
    static let patience = Duration.seconds(5)
    /// How long an unused connection must be silent: more than the one second after which a lost segment is first sent
    /// again.
    static let patienceWithUnused = Duration.seconds(3)
    /// Used instead of both if no other worker replaces this one.
    static let patienceInStop = Duration.seconds(1)
    /// A stream gets this many times the patience.
    static let streamFactor = 5
    /// After this many turns that were each answered in one burst, the next is assumed to be like them.
    static let turnsEnough = 10

    /// The worker is about to get its stop signal, even in the middle of an answer.
    public var isLastCall: Bool { age * 10 >= limit * 9 }

    /// - Parameter history: the looks since emptying began, `facts` included.
    public func verdict(on facts: ConnectionFacts, _ history: ConnectionHistory) -> EmptyingVerdict {
        switch facts.side {
        case .open: break
        case .endedByClient: return .busy(.endedByClient)
        case .endedByWorker: return .busy(.endedByWorker)
        }
        if facts.bytesUnread > 0 { return .busy(.unread(bytes: facts.bytesUnread)) }
        if facts.segmentsUnacknowledged > 0 || facts.bytesUnsent > 0 { return .busy(.sending) }
        let silence = Duration.milliseconds(Int64(facts.silence))
        if facts.bytesReceived == 0 && facts.bytesSent == 0 {
            let patience = isReplaced ? Self.patienceWithUnused : Self.patienceInStop
            return silence >= ebbed(patience) ? .idle(.unused(silence)) : .busy(.unused(silence))
        }
        if facts.bytesReceived > 0 {
            if facts.bytesSent == 0 { return .busy(.unanswered(milliseconds(facts.receivedAgo))) }
            switch facts.lastWord {
            case .client: return .busy(.unanswered(milliseconds(facts.receivedAgo)))
            case .unknown where !history.hasAnswered: return .busy(.undecided(silence))
            case .worker, .unknown: break
            }
        }
        let streams = history.hasPaused || facts.looksLikeStream
        let patience = (isReplaced ? Self.patience : Self.patienceInStop) * (streams ? Self.streamFactor : 1)
        if silence >= ebbed(patience) || isBetweenTurns(facts, history) { return .idle(.answered(silence)) }
        return .busy(streams ? .streams(silence) : .answered(silence))
    }

    private func milliseconds(_ count: UInt32) -> Duration { .milliseconds(Int64(count)) }

    /// The whole patience in the first half of the time, then less and less, down to `shortestIdle` at the end.
    private func ebbed(_ patience: Duration) -> Duration {
        let left = limit > .zero ? min(1, max(0, 2 * (1 - age / limit))) : 0
        return max(shortestIdle, patience * left)
    }

    /// All answers came in one burst, and the client has never sent a request this soon after one: it has not yet sent
    /// its next request when it learns that the connection is closed. If a client leaves no such gap, its connection is
    /// closed at the end of any answer once the time is nearly over: at worst its next request has just left, and
    /// otherwise a request would certainly be cut off.
    private func isBetweenTurns(_ facts: ConnectionFacts, _ history: ConnectionHistory) -> Bool {
        guard history.turns >= Self.turnsEnough, !history.hasPaused, !facts.looksLikeStream else { return false }
        if isLastCall { return true }
        let latest = Int64(history.shortestThought) * 3 / 4 - Int64(facts.roundTrip)
        return milliseconds(facts.silence) >= shortestIdle && Int64(facts.silence) <= latest
    }
}

/// Whether a connection may be closed, and why.
public enum EmptyingVerdict: Equatable, Sendable {
    case idle(IdleReason)
    case busy(BusyReason)
}

public enum IdleReason: Equatable, Sendable {
    /// The connection has never carried a byte, for this long.
    case unused(Duration)
    /// The worker sent last, this long ago, and all of it has arrived.
    case answered(Duration)
}

public enum BusyReason: Equatable, Sendable {
    case unread(bytes: UInt64)
    /// Something that the program has written has not arrived yet.
    case sending
    /// The client sent last, this long ago.
    case unanswered(Duration)
    /// An answer and perhaps the next request were sent in the same moment, this long ago.
    case undecided(Duration)
    /// The worker sent last, this long ago: the answer may go on.
    case answered(Duration)
    /// Like `answered`, for a stream.
    case streams(Duration)
    case unused(Duration)
    case endedByClient
    case endedByWorker
    /// The connection was idle and is closed for reading, but the program has not closed it yet.
    case toldToEnd
}
