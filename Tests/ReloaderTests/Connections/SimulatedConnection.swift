// A connection with a kernel at both ends, simulated only in its acknowledgements: a drain sees what tcp(7) reports of
// it.
import Reloader

/// Client and worker are on one machine: a segment arrives when it is sent. Each side acknowledges as Linux does: at
/// once for the first data of a connection; after that with data that it sends soon, or else by a timer, or when small
/// segments were read.
struct SimulatedConnection {
    /// One side's receiving half, and what it reports about itself.
    private struct Side {
        var answersInARow = 0
        var atOnce = 0
        var hasReceived = false
        /// Since when received data has not been acknowledged, if there is any; and whether more than one segment
        /// waits.
        var owes: Int?
        var owesSeveral = false
        var receivedAt = Int.min / 2
    }

    /// The time and the length of a tick, in microseconds.
    private(set) var now = 0
    private let tick: Int
    /// How many quick answers in a row make a side wait for the next one.
    private let answersMin: Int
    private let probesEach: Int?
    private var client = Side()
    private var worker = Side()
    private var facts = ConnectionFacts()
    private var sentAt = 0
    private var receivedAt = 0
    private var acknowledgedAt = 0
    private var probeAt: Int
    /// The last byte came from the client.
    private(set) var owesAnAnswer = false

    static let delay = 40_000

    init(hertz: Int, answersMin: Int, probesEach: Int?) {
        tick = 1_000_000 / hertz
        self.answersMin = answersMin
        self.probesEach = probesEach
        probeAt = probesEach ?? .max
        facts.segmentsReceived = 2
        facts.acknowledgementDelay = 40
    }

    mutating func clientSends(segments: Int) {
        answer(by: &client)
        for _ in 0..<segments {
            facts.bytesReceived += 100
            facts.segmentsReceived += 1
            facts.dataSegmentsReceived += 1
            if receive(by: &worker) { facts.segmentsSent += 1 }
        }
        receivedAt = now
        acknowledgedAt = now
        owesAnAnswer = true
    }

    /// The client sends its last segment again, because the acknowledgement is late: what the segment says about the
    /// arrival of an answer is old.
    mutating func clientRepeats() {
        facts.segmentsReceived += 1
        facts.dataSegmentsReceived += 1
        facts.segmentsSent += 1
        acknowledgedAt = now
        worker.owes = nil
        worker.owesSeveral = false
        worker.answersInARow = 0
        worker.atOnce = 16
    }

    mutating func workerReads() { if read(by: &worker) { facts.segmentsSent += 1 } }

    mutating func workerSends(segments: Int) {
        answer(by: &worker)
        for _ in 0..<segments {
            facts.bytesSent += 100
            facts.segmentsSent += 1
            facts.dataSegmentsSent += 1
            if receive(by: &client) { clientAcknowledges() }
        }
        sentAt = now
        owesAnAnswer = false
    }

    mutating func clientReads() { if read(by: &client) { clientAcknowledges() } }

    /// Lets time pass and timers fire.
    mutating func pass(_ microseconds: Int) {
        let end = now + microseconds
        while true {
            let acknowledgements = [client.owes, worker.owes].compactMap { $0 }.map { $0 + Self.delay }
            let next = min(acknowledgements.min() ?? .max, probeAt)
            if next > end { break }
            now = max(now, next)
            if let since = client.owes, since + Self.delay <= now {
                timer(of: &client)
                clientAcknowledges()
            } else if let since = worker.owes, since + Self.delay <= now {
                timer(of: &worker)
                facts.segmentsSent += 1
            } else if let probesEach {
                if now - acknowledgedAt >= probesEach {
                    facts.segmentsSent += 1
                    clientAcknowledges()
                }
                probeAt = max(now + 1, acknowledgedAt + probesEach)
            }
        }
        now = end
    }

    /// What a look at the connection shows.
    var seen: ConnectionFacts {
        var seen = facts
        seen.sentAgo = ago(sentAt)
        seen.receivedAgo = ago(receivedAt)
        seen.acknowledgedAgo = ago(acknowledgedAt)
        seen.acknowledgesByItself = worker.answersInARow < answersMin
        return seen
    }

    var instant: Instant { Instant(nanoseconds: Int64(now) * 1000) }

    private func ago(_ time: Int) -> UInt32 { UInt32((now / tick - time / tick) * tick / 1000) }

    private mutating func clientAcknowledges() {
        facts.segmentsReceived += 1
        acknowledgedAt = now
    }

    /// Data that a side sends acknowledges what that side has received.
    private func answer(by side: inout Side) {
        if side.hasReceived && now - side.receivedAt < Self.delay { side.answersInARow += 1 }
        side.owes = nil
        side.owesSeveral = false
        side.atOnce = max(0, side.atOnce - 1)
    }

    /// True if the side acknowledges at once.
    private func receive(by side: inout Side) -> Bool {
        if !side.hasReceived { side.atOnce = 16 }
        side.hasReceived = true
        side.receivedAt = now
        if side.atOnce > 0 && side.answersInARow < answersMin {
            side.atOnce -= 1
            side.owes = nil
            side.owesSeveral = false
            return true
        }
        side.owesSeveral = side.owes != nil
        side.owes = side.owes ?? now
        return false
    }

    /// True if reading makes the side acknowledge.
    private func read(by side: inout Side) -> Bool {
        guard side.owes != nil, side.owesSeveral || side.answersInARow < answersMin else { return false }
        side.owes = nil
        side.owesSeveral = false
        return true
    }

    private func timer(of side: inout Side) {
        side.owes = nil
        side.owesSeveral = false
        side.answersInARow = 0
    }
}
