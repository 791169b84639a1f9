// After a time in which nothing ran, every wait that could fail or kill a worker is as long again as at its beginning,
// or as long as it would have been anyway. Everything else (backoffs, soaks, ages) goes on as it stands.
extension Pool {
    mutating func grantAllTimeAgain() {
        if let end = roll?.timesOutAt, let timeout = roll?.plan.timeout { roll?.timesOutAt = max(end, now + timeout) }
        for slot in slots.indices {
            change(slot) { [now, policy] in $0.grantTimeAgain(under: policy, at: now) }
        }
    }
}
