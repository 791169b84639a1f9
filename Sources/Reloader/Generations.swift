// The generations of a pool: those that may still be started, and what became of each.

/// The generations that may still be started, and how many slots serve each. Designed for few generations at a time:
/// the kept ones, the target of a roll, and those that superseded rolls left in some slots.
struct GenerationLedger: Sendable {
    private struct Entry: Sendable {
        let generation: Int
        var slots = 0
    }

    /// Sorted by generation, ascending.
    private var entries: [Entry] = []

    /// The highest generation recorded so far.
    private(set) var newest = 0

    init() {}

    /// `generations` in ascending order; no slot serves them yet.
    init(_ generations: [Int], newest: Int) {
        entries = generations.map { Entry(generation: $0) }
        self.newest = newest
    }

    /// In ascending order.
    var all: [Int] { entries.map(\.generation) }

    func slots(at generation: Int) -> Int {
        entries.last { $0.generation == generation }?.slots ?? 0
    }

    /// `generation` must be above `newest`.
    mutating func record(_ generation: Int) {
        newest = generation
        entries.append(Entry(generation: generation))
    }

    /// Moves a slot from one generation to another. nil: the slot was not, or will no longer be, part of the pool.
    mutating func move(from old: Int?, to new: Int?) {
        if let old, let place = place(of: old) { entries[place].slots -= 1 }
        if let new, let place = place(of: new) { entries[place].slots += 1 }
    }

    /// Removes and returns the lowest generation that no slot serves and that is not kept.
    mutating func removeUnused(isKept: (Int) -> Bool) -> Int? {
        let place = entries.firstIndex { $0.slots == 0 && !isKept($0.generation) }
        return place.map { entries.remove(at: $0).generation }
    }

    private func place(of generation: Int) -> Int? {
        entries.lastIndex { $0.generation == generation }
    }
}

/// The generations that a rollback may go to, and those that failed.
struct SettledGenerations: Codable, Equatable, Sendable {
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
