import Reloader
import Testing

/// The rules of a drain, one by one.
@Suite struct EmptyingTermsTests {
    /// A request one hour ago, and its answer `sentAgo` milliseconds ago.
    private static func answered(_ sentAgo: UInt32) -> ConnectionFacts {
        var facts = ConnectionFacts()
        facts.bytesReceived = 100
        facts.bytesSent = 100
        facts.dataSegmentsReceived = 1
        facts.dataSegmentsSent = 1
        facts.sentAgo = sentAgo
        facts.receivedAgo = 3_600_000
        return facts
    }

    private static func terms(
        age: Double = 0, limit: Double = 30, idle: Int64 = 50, isReplaced: Bool = true
    ) -> EmptyingTerms {
        EmptyingTerms(
            age: .seconds(age), limit: .seconds(limit), shortestIdle: .milliseconds(idle), isReplaced: isReplaced)
    }

    private static func isIdle(
        _ facts: ConnectionFacts, _ terms: EmptyingTerms, _ history: ConnectionHistory = ConnectionHistory()
    ) -> Bool {
        if case .idle = terms.verdict(on: facts, history) { true } else { false }
    }

    /// The shortest silence that counts as idle, in milliseconds.
    private static func patience(
        _ terms: EmptyingTerms, _ history: ConnectionHistory = ConnectionHistory(),
        _ facts: (UInt32) -> ConnectionFacts = answered
    ) -> UInt32? {
        (0...30_000).first { isIdle(facts($0), terms, history) }
    }

    @Test func patienceEbbsInTheSecondHalf() {
        #expect(Self.patience(Self.terms()) == 5000)
        #expect(Self.patience(Self.terms(age: 15)) == 5000)
        #expect(Self.patience(Self.terms(age: 22.5)) == 2500)
        #expect(Self.patience(Self.terms(age: 30)) == 50)
        #expect(Self.patience(Self.terms(age: 31)) == 50)
        #expect(Self.patience(Self.terms(age: 4.5, limit: 6)) == 2500)
    }

    @Test func noTimeLeavesNoPatience() { #expect(Self.patience(Self.terms(limit: 0)) == 50) }

    @Test func whatTheOptionAsksForIsWaitedFor() {
        #expect(Self.patience(Self.terms(age: 30, idle: 7000)) == 7000)
        #expect(Self.patience(Self.terms(idle: 7000)) == 7000)
    }

    @Test func aStopIsLessPatient() { #expect(Self.patience(Self.terms(isReplaced: false)) == 1000) }

    @Test func unusedConnectionsHaveATimeOfTheirOwn() {
        func unused(_ silence: UInt32) -> ConnectionFacts {
            var facts = ConnectionFacts()
            facts.sentAgo = silence
            facts.receivedAgo = silence
            return facts
        }
        #expect(Self.patience(Self.terms(), ConnectionHistory(), unused) == 3000)
        #expect(Self.patience(Self.terms(isReplaced: false), ConnectionHistory(), unused) == 1000)
    }

    @Test func whatLooksLikeAStreamHasFiveTimesThePatience() {
        func stream(_ silence: UInt32) -> ConnectionFacts {
            var facts = Self.answered(silence)
            facts.dataSegmentsSent = 20
            facts.bytesSent = 2000
            return facts
        }
        #expect(Self.patience(Self.terms(), ConnectionHistory(), stream) == 25_000)
        /// A large answer has many segments too.
        func download(_ silence: UInt32) -> ConnectionFacts {
            var facts = Self.answered(silence)
            facts.dataSegmentsSent = 1000
            facts.bytesSent = 1_448_000
            return facts
        }
        #expect(Self.patience(Self.terms(), ConnectionHistory(), download) == 5000)
    }

    @Test func whatWentOnAfterAPauseIsAStream() {
        var history = ConnectionHistory()
        var facts = Self.answered(150)
        history.note(facts, at: Instant(nanoseconds: 0))
        facts.bytesSent += 10
        history.note(facts, at: Instant(nanoseconds: 10_000_000))
        #expect(Self.patience(Self.terms(), history) == 25_000)
    }

    /// A request came before the answer went on, so that was no pause.
    @Test func anAnswerToAQuestionIsNoStream() {
        var history = ConnectionHistory()
        var facts = Self.answered(150)
        history.note(facts, at: Instant(nanoseconds: 0))
        facts.bytesSent += 10
        facts.bytesReceived += 10
        history.note(facts, at: Instant(nanoseconds: 10_000_000))
        #expect(Self.patience(Self.terms(), history) == 5000)
    }

    /// 100 ms of thought before each of ten requests: closed from 50 to 75 ms after an answer, and not later.
    @Test func betweenTurnsIsAGoodMoment() {
        let history = Self.turns(10, thought: 100)
        let idle = (0..<5000).filter { Self.isIdle(Self.answered($0), Self.terms(), history) }
        #expect(idle == Array(50...75))
        #expect(!Self.isIdle(Self.answered(60), Self.terms(), Self.turns(9, thought: 100)))
        #expect(!Self.isIdle(Self.answered(60), Self.terms(), Self.turns(10, thought: 60)))
        #expect(!Self.isIdle(Self.answered(60), Self.terms(idle: 70), history))
        // What the client sends takes up to a round trip to arrive.
        var far = Self.answered(60)
        far.roundTrip = 20
        #expect(!Self.isIdle(far, Self.terms(), history))
    }

    /// A client that never rests would lose a request to the stop signal.
    @Test func inTheLastTenthTheEndOfAnAnswerIsEnough() {
        let restless = Self.turns(10, thought: 0)
        #expect(!Self.isIdle(Self.answered(0), Self.terms(age: 26.9), restless))
        #expect(Self.isIdle(Self.answered(0), Self.terms(age: 27), restless))
        #expect(!Self.isIdle(Self.answered(0), Self.terms(age: 27), Self.turns(9, thought: 0)), "not seen often enough")
        var asked = Self.answered(100)
        asked.receivedAgo = 0
        #expect(!Self.isIdle(asked, Self.terms(age: 29.9), restless), "it waits for an answer")
    }

    @Test func whatPausedOnceIsNotBetweenTurns() {
        var history = Self.turns(10, thought: 100)
        var facts = Self.answered(150)
        facts.bytesReceived = 1 << 20
        history.note(facts, at: Instant(nanoseconds: 1_000_000_000_000))
        facts.bytesSent += 10
        history.note(facts, at: Instant(nanoseconds: 1_000_010_000_000))
        #expect(!Self.isIdle(Self.answered(60), Self.terms(), history))
    }

    private static func turns(_ count: Int, thought: UInt32) -> ConnectionHistory {
        var history = ConnectionHistory()
        var facts = answered(0)
        facts.receivedAgo = 10
        for turn in 0...count {
            // Each look comes when the answer has just been sent, 10 ms after its request.
            let now = Int64(turn) * Int64(thought + 10) * 1_000_000
            facts.bytesReceived += 100
            facts.bytesSent += 100
            history.note(facts, at: Instant(nanoseconds: now))
        }
        return history
    }

    /// Equal times, and a history that tells them apart.
    @Test func growthBetweenTwoLooksIsAnAnswer() {
        var facts = Self.answered(400)
        facts.receivedAgo = 400
        facts.acknowledgedAgo = 400
        facts.acknowledgesByItself = true
        var history = ConnectionHistory()
        #expect(Self.terms().verdict(on: facts, history) == .busy(.undecided(.milliseconds(400))))
        history.note(facts, at: Instant(nanoseconds: 0))
        facts.bytesSent += 1
        history.note(facts, at: Instant(nanoseconds: 10_000_000))
        #expect(Self.terms().verdict(on: facts, history) == .busy(.answered(.milliseconds(400))))
        facts.bytesReceived += 1
        history.note(facts, at: Instant(nanoseconds: 20_000_000))
        #expect(Self.terms().verdict(on: facts, history) == .busy(.undecided(.milliseconds(400))))
    }

    @Test func eachOfTheseIsBusyToTheEnd() {
        let end = Self.terms(age: 60, isReplaced: false)
        let hour = Duration.seconds(3600)
        var unread = Self.answered(3_600_000)
        unread.bytesUnread = 1
        #expect(end.verdict(on: unread, ConnectionHistory()) == .busy(.unread(bytes: 1)))
        var unsent = Self.answered(3_600_000)
        unsent.bytesUnsent = 1
        #expect(end.verdict(on: unsent, ConnectionHistory()) == .busy(.sending))
        var unacknowledged = Self.answered(3_600_000)
        unacknowledged.segmentsUnacknowledged = 1
        #expect(end.verdict(on: unacknowledged, ConnectionHistory()) == .busy(.sending))
        var first = Self.answered(3_600_000)
        first.bytesSent = 0
        #expect(end.verdict(on: first, ConnectionHistory()) == .busy(.unanswered(hour)))
        var next = Self.answered(3_600_001)
        next.receivedAgo = 3_600_000
        #expect(end.verdict(on: next, ConnectionHistory()) == .busy(.unanswered(hour)))
        var half = Self.answered(3_600_000)
        half.side = .endedByClient
        #expect(end.verdict(on: half, ConnectionHistory()) == .busy(.endedByClient))
        half.side = .endedByWorker
        #expect(end.verdict(on: half, ConnectionHistory()) == .busy(.endedByWorker))
    }
}
