// Whether a state from outside is one that a pool can be in. What it lets through must neither trap nor loop later:
// each deadline is one that its owner acts on, each index exists, and no count is near its end.

/// A head and slots that no pool can have had.
public struct PoolStateError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Subject: Equatable, Sendable {
        case policy
        case generations
        case roll
        case recycle
        case slots
        case slot(Int)
        case worker(WorkerID)
    }

    public let subject: Subject
    /// What is wrong with it, as the end of a sentence.
    public let what: String

    public var description: String {
        switch subject {
        case .policy: "the policy \(what)"
        case .generations: "the list of generations \(what)"
        case .roll: "the roll \(what)"
        case .recycle: "the recycle \(what)"
        case .slots: "the list of slots \(what)"
        case .slot(let slot): "slot \(slot) \(what)"
        case .worker(let id): "\(id) \(what)"
        }
    }
}

struct StateCheck {
    let head: PoolHead
    let slots: [Slot]

    /// No count of a real pool comes near this, and adding to it does not overflow for a long time.
    private static let countMax = Int.max / 2

    func run() throws(PoolStateError) {
        try checkPolicy()
        try checkCounts()
        try checkGenerations()
        try checkRoll()
        try checkRecycles()
        for (number, slot) in slots.enumerated() { try check(slot, number) }
        try checkNames()
    }

    private func require(
        _ holds: Bool, _ subject: PoolStateError.Subject, _ what: @autoclosure () -> String
    ) throws(PoolStateError) {
        if !holds { throw PoolStateError(subject: subject, what: what()) }
    }

    private var workers: Int { head.policy.workers }

    private var isRunning: Bool { head.phase == .running }

    private func isCount(_ number: Int) -> Bool { 0...Self.countMax ~= number }

    private func isTime(_ duration: Duration?) -> Bool {
        duration.map { $0 >= .zero && $0 <= .seconds(Int64.max) } ?? true
    }

    // MARK: the head

    private func checkPolicy() throws(PoolStateError) {
        let policy = head.policy
        try require(1...Policy.workersMax ~= workers, .policy, "has \(workers) workers")
        try require(policy.generationsKept >= 1, .policy, "keeps no generation")
        var times: [Duration?] = [
            policy.soak, policy.portsPatience, policy.readyTimeout, policy.stopTimeout, policy.backoffBase,
            policy.backoffCap, policy.backoffReset, policy.giveUp?.period, policy.watchdog, policy.maxAge,
            policy.readiness.age,
        ]
        if case .outside(let timeout) = policy.drain { times.append(timeout) }
        try require(times.allSatisfy(isTime), .policy, "has a time that is negative or too long")
    }

    private func checkCounts() throws(PoolStateError) {
        try require(slots.count == head.slotCount, .slots, "has \(slots.count) entries, not \(head.slotCount)")
        try require(slots.count <= Policy.workersMax, .slots, "is too long: \(slots.count) entries")
        let hasEnough = slots.count >= workers || slots.isEmpty && (head.phase == .notStarted || isEnding)
        try require(hasEnough, .slots, "is too short: \(slots.count) entries")
        try require(head.phase != .notStarted || slots.isEmpty, .slots, "has entries before the start")
        try require(head.history.isSound, .slots, "has a broken history of failures")
        try require(head.lastWorkerNumber <= UInt64(Self.countMax), .slots, "has had too many workers")
    }

    private var isEnding: Bool {
        switch head.phase {
        case .stopping, .finished: true
        case .notStarted, .running, .drained: false
        }
    }

    private func checkGenerations() throws(PoolStateError) {
        let all = head.generations
        let kept = head.settled.kept
        let isAscending = zip(all, all.dropFirst()).allSatisfy { $0 < $1 }
        let areInRange = all.allSatisfy { 1...max(1, head.newestGeneration) ~= $0 } && isCount(head.newestGeneration)
        try require(isAscending && areInRange, .generations, "is out of order")
        try require(!kept.isEmpty && Set(kept).count == kept.count, .generations, "keeps none, or one twice")
        try require(head.settled.bad.count <= SettledGenerations.badMax, .generations, "has too many bad ones")
        if slots.isEmpty { return }
        try require(kept.allSatisfy(isKnown), .generations, "keeps one that has been released")
    }

    private func isKnown(_ generation: Int) -> Bool {
        let all = head.generations
        var (low, high) = (0, all.count)
        while low < high {
            let middle = (low + high) / 2
            if all[middle] < generation { low = middle + 1 } else { high = middle }
        }
        return low < all.count && all[low] == generation
    }

    private func checkRoll() throws(PoolStateError) {
        guard let roll = head.roll else { return }
        let plan = roll.plan
        try require(isRunning, .roll, "goes on in a pool that does not run")
        try require(isKnown(roll.target), .roll, "leads to generation \(roll.target), which has been released")
        try require(roll.cursor >= 0 && isCount(roll.failures), .roll, "has lost its place")
        let times = [plan.soak, plan.canary?.time, plan.timeout, roll.canary?.time]
        try require(times.allSatisfy(isTime), .roll, "has a time that is negative or too long")
        guard roll.isRevert else { return }
        try require(roll.target == head.settled.current, .roll, "goes back to \(roll.target), which is not settled")
        try require(roll.canary == nil && roll.timesOutAt == nil, .roll, "goes back, but has an end or a canary")
    }

    private func checkRecycles() throws(PoolStateError) {
        let asked = head.askedRestarts
        guard head.recycle != nil || !asked.isEmpty else { return }
        try require(isRunning && head.roll == nil, .recycle, "goes on during a roll, or in a pool that does not run")
        let areSlots = asked.allSatisfy { 0..<workers ~= $0 } && Set(asked).count == asked.count
        try require(areSlots, .recycle, "is asked for in a slot that does not exist, or twice")
        guard let slot = head.recycle?.slot else { return }
        try require(0..<workers ~= slot, .recycle, "is in slot \(slot), which does not exist")
        try require(slots[slot].replacement != nil, .recycle, "in slot \(slot) has no new worker")
    }

    // MARK: slots

    private func check(_ slot: Slot, _ number: Int) throws(PoolStateError) {
        let subject = PoolStateError.Subject.slot(number)
        try require(isCount(slot.failures) && isCount(slot.memoryRecycles), subject, "has lost count")
        let lingering = slot.draining.count + slot.leftovers.count
        try require(lingering <= Policy.lingeringMax + 1, subject, "has too many workers that end")
        for worker in slot.workers { try check(worker) }
        for worker in slot.draining { try require(lingers(worker), .worker(worker.id), "ends, but is not asked to") }
        guard isRunning, number < workers else {
            let isQuiet = slot.isVacant && slot.restartAt == nil && slot.retryAt == nil
            return try require(isQuiet, subject, "starts workers, but is retired")
        }
        try require(isKnown(slot.generation), subject, "serves \(slot.generation), which has been released")
        try require(!slot.isVacant || slot.restartAt != nil || slot.isCrowded, subject, "waits for nothing")
        if let current = slot.current { try check(current, isOf: slot.generation) }
        guard let replacement = slot.replacement else { return }
        let isInRecycle = head.roll == nil && head.recycle?.slot == number
        try require(head.roll != nil || isInRecycle, subject, "has a new worker that nobody wants")
        try check(replacement, isOf: head.roll?.target ?? slot.generation)
    }

    /// The slot starts it, or serves with it.
    private func check(_ worker: Worker, isOf generation: Int) throws(PoolStateError) {
        try require(worker.generation == generation, .worker(worker.id), "is not of generation \(generation)")
        try require(isInOffice(worker), .worker(worker.id), "serves, but is asked to end")
    }

    private func check(_ worker: Worker) throws(PoolStateError) {
        let areTimes = [worker.watchdog, worker.ageMax, worker.readiness.age].allSatisfy(isTime)
        try require(areTimes, .worker(worker.id), "has a time that is negative or too long")
        switch worker.state {
        case .ready(_, let watchdogAt):
            let isWatched = watchdogAt == nil || worker.watchdog != nil
            try require(isWatched && worker.isSpawned, .worker(worker.id), "is ready, but not watched, or not there")
        case .emptying: try require(worker.isSpawned, .worker(worker.id), "is emptied, but not there")
        case .starting, .draining, .killed: break
        }
    }

    private func isInOffice(_ worker: Worker) -> Bool {
        switch worker.state {
        case .starting, .ready, .killed: true
        case .emptying, .draining: false
        }
    }

    private func lingers(_ worker: Worker) -> Bool {
        switch worker.state {
        case .emptying, .draining, .killed: true
        case .starting, .ready: false
        }
    }

    /// Each worker is in one place, and its number was given to it.
    private func checkNames() throws(PoolStateError) {
        var seen: Set<WorkerID> = []
        for slot in slots {
            for id in slot.workers.map(\.id) + slot.leftovers.map(\.id) {
                try require(seen.insert(id).inserted, .worker(id), "is in two places")
                let isGiven = id.number >= 1 && id.number <= head.lastWorkerNumber
                try require(isGiven, .worker(id), "has a number that was not given yet")
            }
        }
        if head.phase == .finished { try require(seen.isEmpty, .slots, "has workers after the end") }
    }
}
