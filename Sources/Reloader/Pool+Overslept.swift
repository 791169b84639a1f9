// After a time in which nobody ran: what would fail or kill somebody waits as long as at its begin, or as long as it would have
// anyway. All else (backoffs, soaks, ages) goes on as it stands.
extension Pool {
    mutating func grantAllTimeAgain() {
        if let end = roll?.timesOutAt, let timeout = roll?.plan.timeout { roll?.timesOutAt = max(end, now + timeout) }
        for slot in slots.indices {
            change(slot) { [now, policy] in $0.grantTimeAgain(under: policy, at: now) }
        }
    }
}
