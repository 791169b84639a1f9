/// The generations that a rollback may go to, and those that failed.
struct SettledGenerations: Sendable {
    /// How many failed generations are remembered: more than anybody looks back at.
    static let badMax = 64

    /// Each of them was once brought to every slot (or was the first), in the order in which that last happened.
    private(set) var kept = [1]
    /// Generations whose last roll failed or timed out, oldest first.
    private(set) var bad: [Int] = []

    /// The pool's own generation: the last one that was brought to every slot.
    var current: Int { kept[kept.count - 1] }
    /// The generation settled before it.
    var previous: Int? { kept.count > 1 ? kept[kept.count - 2] : nil }

    mutating func settle(_ generation: Int, keeping count: Int) {
        kept.removeAll { $0 == generation }
        kept.append(generation)
        keep(count)
    }

    mutating func keep(_ count: Int) { kept.removeFirst(max(0, kept.count - count)) }

    /// Never marks the current generation: it serves, even if an attempt to bring it to slots that had left it has
    /// failed.
    mutating func markBad(_ generation: Int) {
        guard generation != current else { return }
        kept.removeAll { $0 == generation }
        bad.append(generation)
        if bad.count > Self.badMax { bad.removeFirst() }
    }
}
