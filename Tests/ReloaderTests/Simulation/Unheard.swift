import Reloader

/// What was said, and what happened, while no daemon was there.
struct Unheard {
    /// Words may get lost. What can be seen afterwards does not.
    let losesWords: Bool
    private var events: [Event] = []

    init(losesWords: Bool) { self.losesWords = losesWords }

    mutating func enter(_ event: Event, _ chance: inout Chance) {
        if losesWords, !Self.isSeenLater(event), chance.percent(20) { return }
        events.append(event)
    }

    mutating func takeFirst() -> Event? { events.isEmpty ? nil : events.removeFirst() }

    /// A daemon may look at one worker after the other. What came from one of them stays in its order.
    mutating func sortByWorker() {
        let numbered = events.enumerated().map { (worker: Self.worker(of: $1), number: $0, event: $1) }
        events = numbered.sorted { ($1.worker, $0.number) < ($0.worker, $1.number) }.map { $0.event }
    }

    private static func worker(of event: Event) -> UInt64 {
        switch event {
        case .ready(let id), .listens(let id, _), .heartbeat(let id), .stopping(let id), .extendTimeout(let id, _),
            .exited(let id, _, _), .leftoversGone(let id):
            id.number
        default: 0
        }
    }

    private static func isSeenLater(_ event: Event) -> Bool {
        switch event {
        case .exited, .leftoversGone: true
        default: false
        }
    }
}
