// What was observed of one connection during a drain, from one look to the next.

/// All looks at one connection during a drain, summarised in a few numbers. Anything may have happened between two
/// looks: only what they prove is kept.
public struct ConnectionHistory: Equatable, Sendable {
    /// An answer that pauses for this many milliseconds and continues without a new request belongs to a stream.
    static let pause: UInt32 = 100

    private var last: ConnectionFacts?
    private var lastAt = Instant(nanoseconds: 0)
    /// The looks prove that the worker has sent data since the client last did.
    private(set) var hasAnswered = false
    /// The last look before the newest request.
    private var beforeQuestion: ConnectionFacts?
    /// An answer continued after a pause.
    private(set) var hasPaused = false
    /// The number of requests that came after an answer, which is the number of complete request-and-answer turns.
    private(set) var turns = 0
    /// The shortest time seen between an answer and the next request, in milliseconds.
    private(set) var shortestThought: UInt32 = .max

    public init() {}

    /// Records a look. Looks come in order.
    public mutating func note(_ facts: ConnectionFacts, at now: Instant) {
        if let last {
            let wasAnswered = hasAnswered || last.lastWord == .worker
            if facts.bytesReceived != last.bytesReceived {
                hasAnswered = false
                beforeQuestion = last
                if wasAnswered { noteTurn(from: last, to: facts, passed: now - lastAt) }
            } else if facts.bytesSent != last.bytesSent {
                if wasAnswered && last.sentAgo >= Self.pause { hasPaused = true }
                hasAnswered = true
            }
        }
        if facts.bytesSent > 0, facts.lastWord == .unknown, provesAnAnswer(facts) { hasAnswered = true }
        last = facts
        lastAt = now
    }

    private mutating func noteTurn(from last: ConnectionFacts, to facts: ConnectionFacts, passed: Duration) {
        turns += 1
        let thought = Int64(last.sentAgo) + passed.nanoseconds / 1_000_000 - Int64(facts.receivedAgo)
        shortestThought = min(shortestThought, UInt32(clamping: thought))
    }

    /// The newest request was acknowledged by data that was sent after it. A timer did not acknowledge it, and neither
    /// did the program's reads: that takes a segment without data and a request in more than one segment.
    private func provesAnAnswer(_ facts: ConnectionFacts) -> Bool {
        guard let before = beforeQuestion, facts.wasNotAcknowledgedByTimer else { return false }
        return facts.bareSegmentsSent == before.bareSegmentsSent
            || facts.dataSegmentsReceived == before.dataSegmentsReceived &+ 1
    }
}
