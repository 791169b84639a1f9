// Latencies in fixed memory: 64 steps for each doubling, so that a percentile is off by at most 1.6 %. The largest is
// exact.

struct LatencyHistogram {
    private static let stepsPerDoubling = 64
    private static let doublings = 40
    private var counts = [Int](repeating: 0, count: stepsPerDoubling * doublings)
    private var total = 0
    private(set) var largestMicroseconds = 0

    mutating func record(microseconds: Int) {
        counts[Self.bucket(of: microseconds)] += 1
        total += 1
        largestMicroseconds = max(largestMicroseconds, microseconds)
    }

    /// The smallest value that at least `fraction` (0 ... 1) of the records don't exceed; 0 without records.
    func percentileMicroseconds(_ fraction: Double) -> Int {
        let wanted = max(1, Int((Double(total) * fraction).rounded(.up)))
        var seen = 0
        for (bucket, count) in counts.enumerated() where count > 0 {
            seen += count
            if seen >= wanted { return min(Self.upperBound(of: bucket), largestMicroseconds) }
        }
        return 0
    }

    /// Values below 64 have a bucket each; above, the 6 bits after the leading one choose the step.
    private static func bucket(of value: Int) -> Int {
        if value < stepsPerDoubling { return max(0, value) }
        let shift = (Int.bitWidth - value.leadingZeroBitCount) - 7
        let bucket = shift * stepsPerDoubling + (value >> shift)
        return min(bucket, stepsPerDoubling * doublings - 1)
    }

    private static func upperBound(of bucket: Int) -> Int {
        if bucket < stepsPerDoubling { return bucket }
        let shift = bucket / stepsPerDoubling - 1
        return ((bucket % stepsPerDoubling + stepsPerDoubling + 1) << shift) - 1
    }
}
