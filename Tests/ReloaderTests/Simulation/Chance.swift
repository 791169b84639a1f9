import Reloader

/// Everything that a schedule leaves to chance, drawn from one seed (SplitMix64).
struct Chance: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x2545_f491_4f6c_dd1d }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    mutating func percent(_ likelihood: Int) -> Bool { Int.random(in: 0..<100, using: &self) < likelihood }

    mutating func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

    /// In steps of 5 ms: coarse, so that things often happen at the same instant.
    mutating func milliseconds(_ range: ClosedRange<Int>) -> Duration {
        .milliseconds(int(range.lowerBound / 5...range.upperBound / 5) * 5)
    }

    mutating func pick<Choice>(_ choices: [Choice]) -> Choice {
        choices[int(0...choices.count - 1)]
    }
}
