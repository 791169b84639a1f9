// What was seen of one connection during a drain, from one look to the next.

/// A connection's looks of one drain, in a few numbers. Between two looks anything may have happened: only what they prove is
/// kept.
public struct ConnectionHistory: Equatable, Sendable {
    /// An answer that pauses this long, and goes on unasked, is one of a stream.
    static let pause: UInt32 = 100

    private var last: ConnectionFacts?
    private var lastAt = Instant(nanoseconds: 0)
    /// The looks prove that the worker has sent since the client last did.
    private(set) var hasAnswered = false
    /// The last look before the newest question.
    private var beforeQuestion: ConnectionFacts?
    /// An answer went on after a pause.
    private(set) var hasPaused = false
    /// Questions that came after an answer: as many question-and-answer turns are complete.
    private(set) var turns = 0
    /// Milliseconds from an answer to the next question, the least that was seen.
    private(set) var shortestThought: UInt32 = .max

    public init() {}

    /// Takes notice of a look. Looks come in order.
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

    /// The newest question was acknowledged by data that was sent after it: not by a timer, and not when the program read it.
    /// That takes a segment without data, and a question in more than one segment.
    private func provesAnAnswer(_ facts: ConnectionFacts) -> Bool {
        guard let before = beforeQuestion, facts.wasNotAcknowledgedByTimer else { return false }
        return facts.bareSegmentsSent == before.bareSegmentsSent
            || facts.dataSegmentsReceived == before.dataSegmentsReceived &+ 1
    }
}
