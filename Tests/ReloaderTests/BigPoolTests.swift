import Reloader
import Testing

/// What only shows with many slots: the order of their deadlines and the spread of their delays.
@Suite struct BigPoolTests {
    private static let workers = 2000

    @Test func everySlotRestartsAtItsOwnTime() {
        var crowd = Crowd(workers: Self.workers)
        crowd.crashAll()
        var waiting = crowd.delays.mapValues { crowd.now + $0 }
        #expect(waiting.count == Self.workers)

        while let deadline = crowd.pool.nextDeadline, !waiting.isEmpty {
            #expect(deadline == waiting.values.min())
            crowd.now = deadline
            let due = waiting.filter { $0.value <= deadline }.keys
            #expect(crowd.send(.deadline) == due.sorted())
            waiting = waiting.filter { $0.value > deadline }
        }
        #expect(waiting.isEmpty)
    }

    @Test func delaysAreDrawnEvenlyFromTheUpperHalf() {
        var crowd = Crowd(workers: Self.workers)
        crowd.crashAll()
        let parts = crowd.delays.values.map { Int(($0 - .milliseconds(50)) / .milliseconds(50) * 10) }
        for part in 0..<10 {
            let share = parts.count { min($0, 9) == part }
            #expect((140...260).contains(share), "part \(part) of ten")
        }
    }

    @Test func theSeedDecidesTheDelays() {
        var one = Crowd(workers: 50, seed: 1)
        var same = Crowd(workers: 50, seed: 1)
        var other = Crowd(workers: 50, seed: 2)
        one.crashAll()
        same.crashAll()
        other.crashAll()
        #expect(one.delays == same.delays)
        #expect(one.delays != other.delays)
    }
}

/// A pool whose workers have just been started.
private struct Crowd {
    var pool: Pool
    var now = Instant(nanoseconds: 0)
    /// How long each waiting slot waits.
    private(set) var delays: [Int: Duration] = [:]
    private var workers: [WorkerID] = []

    init(workers: Int, seed: UInt64 = 1) {
        var policy = Policy()
        policy.workers = workers
        policy.backoffBase = .milliseconds(100)
        policy.readyTimeout = .seconds(60)
        pool = Pool(policy: policy, seed: seed)
        send(.start)
    }

    mutating func crashAll() {
        for worker in workers { send(.exited(worker, .exited(code: 1))) }
    }

    /// Returns the slots in which workers were started, sorted.
    @discardableResult
    mutating func send(_ event: Event) -> [Int] {
        var effects: [Effect] = []
        pool.handle(event, now: now, effects: &effects)
        var started: [Int] = []
        for effect in effects {
            switch effect {
            case .spawn(let id, let slot, _):
                workers.append(id)
                started.append(slot)
            case .report(.pool(.backoffBegan(let slot, let delay, _))): delays[slot] = delay
            case .countPorts, .empty, .terminate, .kill, .terminateLeftovers, .killLeftovers, .release, .finish,
                .report:
                break
            }
        }
        return started.sorted()
    }
}
