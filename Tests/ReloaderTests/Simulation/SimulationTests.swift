import Glibc
import Reloader
import Testing

/// Thousands of short and nasty lives of a pool. `World` describes what happens in them, and `Monitor` what must hold.
///
/// `RELOADER_SCHEDULES` sets how many there are, `RELOADER_SEED` the seed of the first; each further one has the next
/// seed. docs/architecture.md shows how to replay one.
@Suite struct SimulationTests {
    @Test func everyInvariantHoldsAfterEveryStep() {
        let schedules = Self.number("RELOADER_SCHEDULES") ?? 2_000
        let first = Self.number("RELOADER_SEED") ?? 1
        var steps = 0
        for seed in first..<(first + schedules) {
            var world = World(seed: seed, tells: false)
            do {
                try world.run()
            } catch {
                Issue.record(Self.describe(error, seed: seed, schedule: seed - first + 1))
                return
            }
            steps += world.steps
        }
        print("\(schedules) schedules, \(steps) steps")
    }

    @Test func aSeedTellsTheSameStoryEachTime() {
        for seed in UInt64(1)...20 {
            var first = World(seed: seed, tells: true)
            var second = World(seed: seed, tells: true)
            try? first.run()
            try? second.run()
            #expect(first.story == second.story)
        }
    }

    /// Runs the same seed again, this time with the story.
    private static func describe(_ violation: Violation, seed: UInt64, schedule: UInt64) -> Comment {
        var world = World(seed: seed, tells: true)
        try? world.run()
        let lastLines = (world.story ?? []).suffix(60).joined(separator: "\n")
        return """
            \(violation.invariant.rawValue)
            \(violation.what)
            in schedule \(schedule); replay with RELOADER_SEED=\(seed) RELOADER_SCHEDULES=1
            \(lastLines)
            """
    }

    private static func number(_ variable: String) -> UInt64? {
        getenv(variable).flatMap { UInt64(String(cString: $0)) }
    }
}
