// What was seen of one connection during a drain, from one look to the next.

/// A connection's looks of one drain, in a few numbers. Between two looks anything may have happened: only what they prove is
/// kept.
public struct ConnectionHistory: Equatable, Sendable {
    /// An answer that pauses this long, and goes on unasked, is one of a stream.
    static let pause: UInt32 = 100

    private var last: ConnectionFacts?
    private var lastAt = Instant(nanoseconds: 0)
    /// The worker has sent since the client last did: between two looks the bytes sent grew, and those received did not.
    private(set) var hasAnswered = false
    /// An answer went on after a pause.
    private(set) var hasPaused = false
    /// Questions that came after an answer: as many question-and-answer turns are complete.
    private(set) var turns = 0
    /// Milliseconds from an answer to the next question, the least that was seen.
    private(set) var shortestThought: UInt32 = .max

    public init() {}

    /// Takes notice of a look. Looks come in order.
    public mutating func note(_ facts: ConnectionFacts, at now: Instant) {
        defer {
            last = facts
            lastAt = now
        }
        guard let last else { return }
        let wasAnswered = hasAnswered || last.lastWord == .worker
        if facts.bytesReceived != last.bytesReceived {
            hasAnswered = false
            guard wasAnswered else { return }
            turns += 1
            let passed = UInt64(clamping: max(0, (now - lastAt).nanoseconds) / 1_000_000)
            let thought = UInt64(last.sentAgo) + passed
            shortestThought = min(shortestThought, UInt32(clamping: Int64(thought) - Int64(facts.receivedAgo)))
        } else if facts.bytesSent != last.bytesSent {
            if wasAnswered && last.sentAgo >= Self.pause { hasPaused = true }
            hasAnswered = true
        }
    }
}
