import Foundation
import Reloader

/// A pool that is handed on again and again, to another program or to a daemon that takes over, beside the same pool
/// that never is.
struct Relay {
    private(set) var pool: Pool
    private var original: Pool
    private var kept = KeptState()

    init(_ pool: Pool) {
        self.pool = pool
        original = pool
        kept.note(changesOf: &self.pool)
    }

    mutating func handle(_ event: Event, now: Instant, effects: inout [Effect]) throws(Violation) {
        var others: [Effect] = []
        pool.handle(event, now: now, effects: &effects)
        original.handle(event, now: now, effects: &others)
        let isSame = effects == others && pool.nextDeadline == original.nextDeadline
        if !isSame { throw Violation(.handingOn, "a restored pool answers \(event) in another way: \(others)") }
        kept.note(changesOf: &pool)
    }

    mutating func handOn() throws(Violation) {
        pool = try kept.pool()
        try judge()
    }

    /// Compares everything that anybody can see.
    func judge() throws(Violation) {
        func require(_ holds: Bool, _ what: @autoclosure () -> String) throws(Violation) {
            if !holds { throw Violation(.handingOn, "the restored pool has other \(what())") }
        }
        try require(pool.head == original.head, "facts: \(pool.head), not \(original.head)")
        try require(pool.slots == original.slots, "slots: \(pool.slots), not \(original.slots)")
        try require(pool.totals == original.totals, "totals")
        try require(pool.nextDeadline == original.nextDeadline, "deadlines")
        try require(pool.workersAlive == original.workersAlive, "workers")
        try require(pool.slotsReplaced == original.slotsReplaced, "slots at the goal")
        try require(pool.knownGenerations == original.knownGenerations, "generations")
    }
}

/// What somebody outside keeps of a pool: the head and each slot, replaced only if the pool says that they have
/// changed.
struct KeptState {
    private var head: PoolHead?
    private var slots: [Slot] = []

    mutating func note(changesOf pool: inout Pool) {
        let changes = pool.takeChanges()
        if let head = changes.head { self.head = head }
        if slots.count > pool.slots.count { slots.removeLast(slots.count - pool.slots.count) }
        for slot in changes.slots.sorted() where pool.slots.indices.contains(slot) {
            if slot == slots.count { slots.append(pool.slots[slot]) } else { slots[slot] = pool.slots[slot] }
        }
    }

    /// By way of bytes.
    func pool() throws(Violation) -> Pool {
        guard let head else { throw Violation(.handingOn, "nothing was kept") }
        do {
            return try Pool(head: throughBytes(head), slots: slots.map(throughBytes))
        } catch { throw Violation(.handingOn, "the state is not taken back: \(error)") }
    }
}

extension Pool {
    /// This pool, as another program gets it.
    func throughBytes() throws -> Pool {
        try Pool(head: ReloaderTests.throughBytes(head), slots: slots.map(ReloaderTests.throughBytes))
    }
}

private func throughBytes<Row: Codable>(_ row: Row) throws -> Row {
    try JSONDecoder().decode(Row.self, from: JSONEncoder().encode(row))
}
