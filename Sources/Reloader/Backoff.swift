/// How long a slot waits after its k-th failure in a row: d = min(cap, base · 2^(k-1)), drawn evenly from [d/2, d], so
/// that slots that failed together do not start together.
struct Backoff: Sendable {
    private let baseNanoseconds: Int64
    private let capNanoseconds: Int64

    init(_ policy: Policy) { self.init(base: policy.backoffBase, cap: policy.backoffCap) }

    init(base: Duration, cap: Duration) {
        baseNanoseconds = max(0, base.nanoseconds)
        capNanoseconds = max(0, cap.nanoseconds)
    }

    /// `failures` is at least 1. Any number is safe: the doubling stops at the cap.
    func delay(failures: Int, random: inout RandomNumbers) -> Duration {
        let longest = longestNanoseconds(failures: failures)
        return .nanoseconds(Int64.random(in: longest / 2...longest, using: &random))
    }

    private func longestNanoseconds(failures: Int) -> Int64 {
        let doublings = failures - 1
        // The cap is shifted right instead of the base left, because base · 2^doublings may not fit.
        guard doublings < Int64.bitWidth, baseNanoseconds <= capNanoseconds >> Int64(doublings) else {
            return baseNanoseconds == 0 ? 0 : capNanoseconds
        }
        return baseNanoseconds << Int64(doublings)
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small and fast, with the same numbers for the same seed on every machine, so
/// that everything that the pool decided by chance can be replayed. Not for secrets.
struct RandomNumbers: RandomNumberGenerator, Codable, Equatable, Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
