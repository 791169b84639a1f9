/// The failures that count for `--give-up`: only those within its period are kept.
struct FailureHistory: Sendable {
    private var times: [Instant] = []
    /// Entries before this index are forgotten; they are removed in bulk.
    private var start = 0

    /// Counts a failure at `now`. Returns the number of failures within the period if it has reached the limit.
    mutating func record(at now: Instant, limit: GiveUp?) -> Int? {
        guard let limit else {
            times.removeAll()
            start = 0
            return nil
        }
        times.append(now)
        while now - times[start] > max(.zero, limit.period) { start += 1 }
        if start > times.count / 2 {
            times.removeFirst(start)
            start = 0
        }
        let failures = times.count - start
        return failures >= max(1, limit.failures) ? failures : nil
    }
}
