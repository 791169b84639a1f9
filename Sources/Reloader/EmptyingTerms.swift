// The judgement on a worker that is emptied: is a connection idle, so that it may be closed as if its client had hung up?
//
// Idle is proven, or it is not idle. Whatever was received and not answered, or sent and not acknowledged, keeps a connection
// busy, however long it takes; only the time limit ends that. What was answered may be half of an answer, which can't
// be told from outside: so there patience is needed, which ebbs in the second half of the time.

/// What a connection is judged by besides itself.
public struct EmptyingTerms: Equatable, Sendable {
    /// Since emptying began.
    public var age: Duration
    /// When the worker gets its stop signal, whatever is left.
    public var limit: Duration
    /// No connection that was used is closed sooner (`--drain-idle`).
    public var shortestIdle: Duration
    /// Other workers serve on: nobody waits for the end of this one. Not so when the pool stops.
    public var isReplaced: Bool

    public init(age: Duration, limit: Duration, shortestIdle: Duration, isReplaced: Bool) {
        self.age = age
        self.limit = limit
        self.shortestIdle = shortestIdle
        self.isReplaced = isReplaced
    }

    /// Silence after an answer: models that think, queries between two rows and proxies that gather pause for 2 or 3 seconds.
    static let patience = Duration.seconds(5)
    /// Before the first byte: above the second after which a lost segment is sent again for the first time.
    static let patienceWithUnused = Duration.seconds(3)
    /// For both, if nobody replaces the worker.
    static let patienceInStop = Duration.seconds(1)
    /// A stream has so many times the patience.
    static let streamFactor = 5
    /// After so many turns that were each answered in one burst, the next is taken to be like them.
    static let turnsEnough = 10

    /// The worker is about to get its stop signal, with whatever it is about then.
    public var isLastCall: Bool { age * 10 >= limit * 9 }

    /// - Parameter history: since emptying began, `facts` included.
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

    /// Whole in the first half of the time, and then less and less, down to `shortestIdle` at the end.
    private func ebbed(_ patience: Duration) -> Duration {
        let left = limit > .zero ? min(1, max(0, 2 * (1 - age / limit))) : 0
        return max(shortestIdle, patience * left)
    }

    /// All answers came in one burst, and so soon after one its client has never asked: what it sends next has not been sent
    /// when it hears of the end. A client that leaves no such time is closed at the end of any answer when the time is nearly
    /// over: at worst its next request has just left, and else one would be cut for certain.
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
    /// It has never carried a byte, for so long.
    case unused(Duration)
    /// The worker sent last, so long ago, and all of it has arrived.
    case answered(Duration)
}

public enum BusyReason: Equatable, Sendable {
    case unread(bytes: UInt64)
    /// Something written by the program has not arrived.
    case sending
    /// The client sent last, so long ago.
    case unanswered(Duration)
    /// An answer and perhaps the next request, in the same moment and so long ago.
    case undecided(Duration)
    /// The worker sent last, so long ago: the answer may go on.
    case answered(Duration)
    /// As above, of a stream.
    case streams(Duration)
    case unused(Duration)
    case endedByClient
    case endedByWorker
    /// It was idle and is closed for reading, and the program has not closed it yet.
    case toldToEnd
}
