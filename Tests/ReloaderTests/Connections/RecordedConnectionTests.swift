import Reloader
import Testing

/// What a drain finds in connections of real servers, as the kernel described them.
@Suite struct RecordedConnectionTests {
    @Test(arguments: RecordedConnection.all)
    func isWhatItIs(_ recorded: RecordedConnection) {
        let begin = EmptyingTerms(
            age: .zero, limit: .seconds(600), shortestIdle: .milliseconds(50), isReplaced: true)
        #expect(Self.kind(begin.verdict(on: recorded.facts, ConnectionHistory())) == recorded.kind)
    }

    /// Patience ebbs, and then a connection that was answered or never used is closed. No other one ever is.
    @Test(arguments: RecordedConnection.all)
    func isIdleInTheEndOrNever(_ recorded: RecordedConnection) {
        let end = EmptyingTerms(
            age: .seconds(600), limit: .seconds(600), shortestIdle: .milliseconds(1), isReplaced: false)
        let verdict = end.verdict(on: recorded.facts, ConnectionHistory())
        let isIdle = if case .idle = verdict { true } else { false }
        #expect(isIdle == ["answered", "streams", "unused"].contains(recorded.kind), "\(verdict)")
    }

    @Test func allKindsAreRecorded() {
        #expect(RecordedConnection.all.count == RecordedConnection.rowsOfTable)
        let kinds = Set(RecordedConnection.all.map(\.kind))
        #expect(
            kinds == [
                "answered", "endedByClient", "sending", "streams", "unanswered", "undecided", "unread", "unused",
            ])
    }

    private static func kind(_ verdict: EmptyingVerdict) -> String {
        switch verdict {
        case .idle(.unused), .busy(.unused): "unused"
        case .idle(.answered), .busy(.answered): "answered"
        case .busy(.streams): "streams"
        case .busy(.unread): "unread"
        case .busy(.sending): "sending"
        case .busy(.unanswered): "unanswered"
        case .busy(.undecided): "undecided"
        case .busy(.endedByClient): "endedByClient"
        case .busy(.endedByWorker): "endedByWorker"
        case .busy(.toldToEnd): "toldToEnd"
        }
    }
}
