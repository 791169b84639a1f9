import Foundation
import Reloader
import Testing

/// A state comes from outside. One that no pool can have had is refused; whatever is taken neither traps nor hangs.
@Suite struct StateTests {
    @Test func whatSaysItselfWrongIsRefused() throws {
        let rows: [(path: String, value: Any?, subject: PoolStateError.Subject)] = [
            ("head.policy.workers", 0, .policy),
            ("head.policy.workers", 5000, .policy),
            ("head.policy.generationsKept", 0, .policy),
            ("head.policy.readyTimeout", [-1, 0], .policy),
            ("head.policy.maxAge", [Int.max, 0], .policy),
            ("head.policy.workers", 4, .slots),
            ("head.slotCount", 4, .slots),
            ("head.phase", ["notStarted": [:] as [String: Any]], .slots),
            ("head.lastWorkerNumber", Int.max, .slots),
            ("head.history.start", 2, .slots),
            ("head.generations", [2, 1], .generations),
            ("head.generations", [1, 1, 2], .generations),
            ("head.generations", [0, 1, 2], .generations),
            ("head.newestGeneration", 1, .generations),
            ("head.newestGeneration", Int.max, .generations),
            ("head.settled.kept", [] as [Int], .generations),
            ("head.settled.kept", [1, 1], .generations),
            ("head.settled.kept", [7], .generations),
            ("head.settled.bad", Array(1...65), .generations),
            ("head.roll.target", 7, .roll),
            ("head.roll.cursor", -1, .roll),
            ("head.roll.failures", Int.max, .roll),
            ("head.roll.canary.time", [-1, 0], .roll),
            ("head.roll.direction", ["revert": ["failed": 2]], .roll),
            ("head.phase", ["drained": [:] as [String: Any]], .roll),
            ("head.askedRestarts", [0], .recycle),
            ("slots.0.generation", 7, .slot(0)),
            ("slots.0.failures", -1, .slot(0)),
            ("slots.0.memoryRecycles", Int.max, .slot(0)),
            ("slots.2.restartAt", nil, .slot(2)),
            ("slots.1.current.generation", 2, .worker(2)),
            ("slots.1.current.isSpawned", false, .worker(2)),
            ("slots.1.current.watchdog", nil, .worker(2)),
            ("slots.1.current.ageMax", [-1, 0], .worker(2)),
            ("slots.1.current.id", 0, .worker(0)),
            ("slots.1.current.id", 99, .worker(99)),
            ("slots.1.current.id", 5, .worker(5)),
            ("slots.1.replacement.generation", 1, .worker(5)),
        ]
        for row in rows {
            var text = try StateText(of: Pools.rolling())
            text.replace(row.path, by: row.value)
            let error = #expect(throws: PoolStateError.self, "\(row.path)") { try text.pool() }
            #expect(error?.subject == row.subject, "\(row.path): \(error.map { "\($0)" } ?? "")")
        }
    }

    @Test func recyclesThatCannotBeAreRefused() throws {
        for (path, value) in [
            ("head.recycle.slot", 9), ("head.recycle.slot", 1), ("head.askedRestarts", [9]),
            ("head.askedRestarts", [1, 1]),
        ] as [(String, Any)] {
            var text = try StateText(of: Pools.recycling())
            text.replace(path, by: value)
            let error = #expect(throws: PoolStateError.self, "\(path)") { try text.pool() }
            #expect(error?.subject == .recycle, "\(path)")
        }
        var text = try StateText(of: Pools.recycling())
        text.replace("head.recycle", by: nil)
        let error = #expect(throws: PoolStateError.self) { try text.pool() }
        #expect(error?.subject == .slot(0))
    }

    @Test func aWorkerInTheWrongPlaceIsRefused() throws {
        let pool = try StateText(of: Pools.rolling())
        let lingering = try #require(pool.value("slots.0.draining.0"))
        let serving = try #require(pool.value("slots.0.current"))
        for (path, worker) in [("slots.1.current", lingering), ("slots.1.draining.0", serving)] {
            var text = pool
            text.replace(path, by: worker)
            #expect(throws: PoolStateError.self, "\(path)") { try text.pool() }
        }
    }

    /// Each place of the state is replaced by everything that a broken or a hostile file may have there.
    @Test(arguments: Pools.all) func garbageNeitherTrapsNorHangs(_ pool: Pools) throws {
        let good = try StateText(of: pool.make())
        let bad: [Any?] = [
            nil, NSNull(), -1, 0, 1, 2, 3, 5000, Int.max, Int.max / 2, Int.min, UInt64.max, 1.5, true, "", "revert",
            [] as [Any], [Int.max, UInt64.max] as [Any], [Int.min, 0], [0, 0], [:] as [String: Any],
            ["ready": ["since": Int.max]], ["starting": ["deadline": 0, "awaiting": ["age": ["_0": 0]]]],
            ["draining": ["since": 0, "killAt": 0, "_0": "stopped"]],
            ["emptying": ["since": 0, "stopAt": 0, "_0": "stopped"]],
            ["killed": [:] as [String: Any]], ["drained": [:] as [String: Any]], ["finished": [:] as [String: Any]],
        ]
        var taken = 0
        for path in good.paths {
            for value in bad {
                var text = good
                text.replace(path, by: value)
                guard var pool = try? text.pool() else { continue }
                taken += 1
                Storm.ride(&pool)
            }
        }
        #expect(taken > 0)
    }
}

/// Pools in the middle of something.
enum Pools: CaseIterable {
    case rolling, recycling, stopping

    static let all = allCases

    func make() -> Pool {
        switch self {
        case .rolling: Self.rolling()
        case .recycling: Self.recycling()
        case .stopping: Self.stopping()
        }
    }

    /// Slot 0 serves generation 2 and empties worker 1; slot 1 serves generation 1 and soaks 2; slot 2 waits, and has
    /// leftovers.
    static func rolling() -> Pool {
        var plan = RollPlan()
        plan.canary = Canary(slots: 2, time: .seconds(100))
        plan.timeout = .seconds(500)
        plan.soak = .seconds(5)
        plan.surge = 1
        var pool = pool([.start, .ready(1), .ready(2), .reload(generation: 2, policy: policy, plan: plan), .ready(4)])
        send([.deadline, .ready(5), .exited(3, .exited(code: 1), leaves: true)], to: &pool, at: 6)
        return pool
    }

    static func recycling() -> Pool {
        pool([.start, .ready(1), .ready(2), .ready(3), .restart(slot: 0), .restart(slot: 1), .scale(.to(2))])
    }

    static func stopping() -> Pool {
        pool([.start, .ready(1), .ready(2), .exited(2, .exited(code: 1), leaves: true), .stop(.graceful)])
    }

    private static var policy: Policy {
        var policy = Policy()
        policy.workers = 3
        policy.watchdog = .seconds(10)
        policy.maxAge = .seconds(1000)
        policy.drain = .outside(timeout: .seconds(20))
        policy.giveUp = GiveUp(failures: 50, within: .seconds(60))
        return policy
    }

    private static func pool(_ events: [Event]) -> Pool {
        var pool = Pool(policy: policy, seed: 1)
        send(events, to: &pool, at: 1)
        return pool
    }

    private static func send(_ events: [Event], to pool: inout Pool, at seconds: Int64) {
        var effects: [Effect] = []
        let now = Instant(nanoseconds: seconds * 1_000_000_000)
        for event in events { pool.handle(event, now: now, effects: &effects) }
    }
}

extension WorkerID: ExpressibleByIntegerLiteral {
    public init(integerLiteral number: UInt64) { self.init(number: number) }
}

/// Everything that can happen to a pool, for as long as it goes on.
private enum Storm {
    static func ride(_ pool: inout Pool) {
        var now = Instant(nanoseconds: 2_000_000_000)
        var effects: [Effect] = []
        func workers(_ pool: Pool) -> [WorkerID] {
            pool.slots.flatMap { [$0.current, $0.replacement].compactMap { $0 } + $0.draining }.map(\.id)
        }
        func send(_ event: Event, _ pool: inout Pool) {
            effects.removeAll()
            pool.handle(event, now: now, effects: &effects)
        }
        func wait(_ times: Int, _ pool: inout Pool) {
            for _ in 0..<times {
                guard let deadline = pool.nextDeadline else { return }
                now = max(now, deadline)
                send(.deadline, &pool)
            }
        }
        send(.overslept, &pool)
        send(.takenOver, &pool)
        wait(8, &pool)
        for id in workers(pool) {
            for event in [.spawned(id), .ready(id), .heartbeat(id), .extendTimeout(id, by: .seconds(5))] as [Event] {
                send(event, &pool)
            }
        }
        wait(8, &pool)
        send(.restart(slot: 0), &pool)
        send(.scale(.by(1)), &pool)
        for id in workers(pool) { send(.exited(id, .exited(code: 1), leaves: id.number % 2 == 0), &pool) }
        send(.reload(generation: pool.newestGeneration + 1, policy: pool.policy), &pool)
        wait(8, &pool)
        send(.rollback(to: nil), &pool)
        send(.scale(.to(1)), &pool)
        for id in workers(pool) { send(.spawnFailed(id, .exhausted), &pool) }
        wait(4, &pool)
        send(.drainAll, &pool)
        send(.stop(.graceful), &pool)
        send(.stop(.fast), &pool)
        for slot in pool.slots.reversed() {
            for left in slot.leftovers { send(.leftoversGone(left.id), &pool) }
        }
        for id in workers(pool) { send(.exited(id, .exited(code: 0)), &pool) }
        wait(4, &pool)
    }
}
