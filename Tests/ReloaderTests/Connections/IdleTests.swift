import Reloader
import Testing

/// A connection with a request that was not answered is never idle, whatever the kernel's clock and memory suggest.
@Suite struct IdleTests {
    @Test(arguments: 0..<400)
    func noQuestionWithoutAnAnswerIsIdle(seed: UInt64) {
        var conversation = Conversation(seed: seed)
        for _ in 0..<60 {
            conversation.takeTurn { connection, history, terms in
                guard connection.owesAnAnswer else { return }
                let verdict = terms.verdict(on: connection.seen, history)
                if case .idle = verdict { Issue.record("\(verdict) at \(connection.now) us: \(connection.seen)") }
            }
        }
    }

    /// The other half: most connections that are at rest are recognised as idle.
    @Test func mostThatRestAreIdle() {
        var idle = 0
        let seeds: Range<UInt64> = 0..<400
        for seed in seeds {
            var conversation = Conversation(seed: seed, answersMin: 1, segmentsMax: 1)
            for _ in 0..<20 { conversation.takeTurn { _, _, _ in } }
            conversation.connection.pass(20_000_000)
            let terms = EmptyingTerms(
                age: .seconds(29), limit: .seconds(30), shortestIdle: .milliseconds(50), isReplaced: true)
            if case .idle = terms.verdict(on: conversation.connection.seen, ConnectionHistory()) { idle += 1 }
        }
        #expect(idle > seeds.count * 3 / 4, "\(idle) of \(seeds.count)")
    }
}

/// A client that sends one request after the other, and a drain that looks from time to time.
private struct Conversation {
    var connection: SimulatedConnection
    private var history = ConnectionHistory()
    private var chance: Chance
    private let segmentsMax: Int

    init(seed: UInt64, answersMin: Int? = nil, segmentsMax: Int = 3) {
        var chance = Chance(seed: seed)
        self.segmentsMax = segmentsMax
        let anyMin = chance.pick([1, 3])
        connection = SimulatedConnection(
            hertz: chance.pick([100, 250, 1000]), answersMin: answersMin ?? anyMin,
            probesEach: chance.pick([nil, nil, 15_000_000, 1_000_000]))
        self.chance = chance
        // Any of the first ticks is as good as another.
        connection.pass(chance.int(0...9_999))
        if chance.percent(25) { connection.workerSends(segments: 1) }
    }

    /// A request, its answer, and the time until the next request: each takes no time, less than a tick, or more.
    mutating func takeTurn(_ body: (SimulatedConnection, ConnectionHistory, EmptyingTerms) -> Void) {
        connection.clientReads()
        connection.clientSends(segments: chance.int(1...segmentsMax))
        if chance.percent(50) { connection.workerReads() }
        wait(body)
        if chance.percent(10) { connection.clientRepeats() }
        connection.workerReads()
        wait(body)
        connection.workerSends(segments: chance.int(1...segmentsMax))
        if chance.percent(25) {
            wait(body)
            connection.workerSends(segments: 1)
        }
        connection.clientReads()
        wait(body)
    }

    private mutating func wait(_ body: (SimulatedConnection, ConnectionHistory, EmptyingTerms) -> Void) {
        var left = chance.pick([0, 50, 300, 300, 5_000, 30_000, 100_000, 400_000, 2_000_000, 40_000_000])
        while left > 0 {
            let step = min(left, chance.pick([10, 200, 10_000, 50_000, 250_000, 5_000_000]))
            connection.pass(step)
            left -= step
            look(body)
        }
        look(body)
    }

    private mutating func look(_ body: (SimulatedConnection, ConnectionHistory, EmptyingTerms) -> Void) {
        if chance.percent(66) { return }
        history.note(connection.seen, at: connection.instant)
        let limit = chance.pick([0, 5, 30, 600])
        let terms = EmptyingTerms(
            age: .seconds(chance.int(0...limit)), limit: .seconds(limit),
            shortestIdle: .milliseconds(chance.pick([1, 50, 1000])), isReplaced: chance.percent(50))
        body(connection, history, terms)
    }
}
