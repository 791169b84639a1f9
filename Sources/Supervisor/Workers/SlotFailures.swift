// How often the workers of each slot have failed since the daemon started or the slot was added, and why the last one did.
internal import Reloader

struct SlotFailures {
    struct Failure {
        /// In the words of the log.
        let reason: String
        let at: Instant
    }

    private var counts: [Int: Int] = [:]
    private var last: [Int: Failure] = [:]

    mutating func failed(in slot: Int, _ reason: String, at now: Instant) {
        counts[slot, default: 0] += 1
        last[slot] = Failure(reason: reason, at: now)
    }

    /// The slot is gone.
    mutating func forget(_ slot: Int) {
        counts[slot] = nil
        last[slot] = nil
    }

    func count(in slot: Int) -> Int { counts[slot] ?? 0 }

    func last(in slot: Int) -> Failure? { last[slot] }
}
