// The state of a pool, for a successor that goes on with it: another program in the place of this one, or a daemon that
// takes over from one that has died. It comes as a head and slots, so that only what has changed is written again.
//
// - The names of these types' fields and cases are the format. A field that is added must be optional, and a name stays
//   as it is: the last version could not be read otherwise.
// - Instants are on the clock that the runtime gives to `Pool.handle`, and that clock must go on: never back before the
//   last event, and in the same boot (workers do not outlive it). Time in which nobody ran may count or be left out.
// - A head and slots of different moments contradict each other, and are refused: what one call of `takeChanges` gives
//   must be kept as a whole or not at all.
//
// A daemon that is replaced in place has carried out every effect, and its channels are kept: its successor goes on as
// if nothing had been. A daemon that died may have been asked for things that it never did, and for a while nobody
// listened: `Event.takenOver`.

/// Everything in a pool but its slots.
public struct PoolHead: Codable, Equatable, Sendable {
    let policy: Policy
    let phase: Pool.Phase
    /// Slots that exist, including those of a formerly larger pool.
    public let slotCount: Int
    let roll: Roll?
    let isPaused: Bool
    let recycle: Recycle?
    /// Those that may still be started.
    let generations: [Int]
    let newestGeneration: Int
    let settled: SettledGenerations
    let askedRestarts: [Int]
    let history: FailureHistory
    let random: RandomNumbers
    let lastWorkerNumber: UInt64
    let startedAt: Instant
    let hasSpawned: Bool
    let hasBeenReady: Bool
    let stopAskedAt: Instant?
}

/// What has become different in a pool.
public struct PoolChanges: Sendable {
    /// nil: as before.
    public let head: PoolHead?
    /// Each listed once. Those that are not below the number of slots are gone.
    public let slots: [Int]
}

extension Pool {
    public var head: PoolHead {
        PoolHead(
            policy: policy, phase: phase, slotCount: slots.count, roll: roll, isPaused: isPaused, recycle: recycle,
            generations: generations.all, newestGeneration: generations.newest, settled: settled,
            askedRestarts: askedRestarts, history: history, random: random, lastWorkerNumber: lastWorkerNumber,
            startedAt: startedAt, hasSpawned: hasSpawned, hasBeenReady: hasBeenReady, stopAskedAt: stopAskedAt)
    }

    /// What has changed since the last call; at the first call, since the pool was made or restored. If it is kept for
    /// the case that the daemon dies, that must be done before the effects of the same event are carried out: then no
    /// worker is started that nobody knows of afterwards.
    public mutating func takeChanges() -> PoolChanges {
        let head = head
        defer { toldHead = head }
        return PoolChanges(head: head == toldHead ? nil : head, slots: changed.take())
    }
}

/// A set of slots that is cheap to add to. It never has more entries than there were slots.
struct ChangedSlots: Sendable {
    private var list: [Int] = []
    private var isListed: [Bool] = []

    mutating func insert(_ slot: Int) {
        while isListed.count <= slot { isListed.append(false) }
        guard !isListed[slot] else { return }
        isListed[slot] = true
        list.append(slot)
    }

    /// Empties the set.
    mutating func take() -> [Int] {
        for slot in list { isListed[slot] = false }
        defer { list.removeAll(keepingCapacity: true) }
        return list
    }
}
