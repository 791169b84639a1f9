/// A stable seat in the pool, which outlives its workers. It has at most one worker that serves (or starts to serve),
/// at most one that is to take over from it, and a few that are finishing.
public struct Slot: Codable, Equatable, Sendable {
    /// What a worker does for its slot.
    enum Role: Equatable {
        case current
        case replacement
        /// By its index in `draining`.
        case draining(Int)
    }

    /// The generation that the slot serves, and that is restarted if its worker crashes.
    public internal(set) var generation: Int
    /// Starting or ready (or killed by the watchdog and not gone yet), of `generation`.
    public internal(set) var current: Worker?
    /// Starting, or ready and soaking (or killed by the watchdog), of the roll's target; in a recycle, of `generation`.
    public internal(set) var replacement: Worker?
    /// Emptied or asked to finish, oldest first. Together with `leftovers` at most `Policy.lingeringMax` + 1: nothing
    /// is started in a slot that has `lingeringMax`, and both of its other two workers may join them.
    public internal(set) var draining: [Worker] = []
    /// What workers of this slot have left behind. Leftovers count towards the bound on draining workers.
    public internal(set) var leftovers: [Leftovers] = []
    /// The number of failures in a row.
    public internal(set) var failures = 0
    /// How many workers in a row were replaced because they took too much memory.
    public internal(set) var memoryRecycles = 0
    /// In backoff: nothing is started before this.
    public internal(set) var restartAt: Instant?
    /// A replacement failed, and no other is started before this; nothing is wrong with the slot's own worker. Never
    /// set in a revert, which uses only `restartAt`.
    public internal(set) var retryAt: Instant?

    /// What this slot has contributed to the pool's totals.
    var tally = Tally()
    /// The generation under which the pool's ledger has counted this slot.
    var countedGeneration: Int?

    /// All but what can be counted again.
    private enum CodingKeys: CodingKey {
        case generation, current, replacement, draining, leftovers, failures, memoryRecycles, restartAt, retryAt
    }

    init(generation: Int) { self.generation = generation }

    /// All workers that are not gone.
    var workers: [Worker] { [current, replacement].compactMap { $0 } + draining }
    /// No worker serves or starts here.
    var isVacant: Bool { current == nil && replacement == nil }
    /// No process of this slot is left.
    public var isEmpty: Bool { isVacant && draining.isEmpty && leftovers.isEmpty }
    /// Too many of its workers, or of their leftovers, linger: one has to end before anything is started here.
    var isCrowded: Bool { draining.count + leftovers.count >= Policy.lingeringMax }

    /// Its worker has failed, and no worker has served the slot since.
    var isFailing: Bool {
        failures > 0 && ![current, replacement].contains { $0?.state.isReady ?? false }
    }

    /// Afterwards the slot waits for nothing.
    mutating func forgetBackoff() {
        failures = 0
        restartAt = nil
        retryAt = nil
    }

    mutating func grantTimeAgain(under policy: Policy, at now: Instant) {
        current?.grantTimeAgain(under: policy, at: now)
        replacement?.grantTimeAgain(under: policy, at: now)
        for place in draining.indices { draining[place].grantTimeAgain(under: policy, at: now) }
        for place in leftovers.indices { leftovers[place].grantTimeAgain(under: policy, at: now) }
    }

    func role(of id: WorkerID) -> Role? {
        if current?.id == id { return .current }
        if replacement?.id == id { return .replacement }
        return draining.firstIndex { $0.id == id }.map(Role.draining)
    }

    /// Setting nil removes the worker. A new one can be set as current or replacement only.
    subscript(role: Role) -> Worker? {
        get {
            switch role {
            case .current: current
            case .replacement: replacement
            case .draining(let place): draining[place]
            }
        }
        set {
            switch role {
            case .current: current = newValue
            case .replacement: replacement = newValue
            case .draining(let place):
                if let newValue { draining[place] = newValue } else { draining.remove(at: place) }
            }
        }
    }

    /// When something is next due in this slot. Derived again after each change, so that no timer can be forgotten or
    /// left over.
    func deadline(soak: Duration) -> Instant? {
        var earliest: Instant?
        func consider(_ instant: Instant?) {
            guard let instant else { return }
            earliest = earliest.map { min($0, instant) } ?? instant
        }
        consider(restartAt)
        consider(retryAt)
        if let current, !current.isHung || replacement == nil { consider(current.state.deadline) }
        consider(current?.recycleAt)
        consider(current?.sparedUntil)
        if let replacement {
            consider(replacement.state.deadline)
            if case .ready(let since, _) = replacement.state { consider(since + soak) }
        }
        for worker in draining { consider(worker.state.deadline) }
        for left in leftovers { consider(left.killAt) }
        return earliest
    }
}
