/// Counts of workers and slots: for one slot, or as the sum over all slots, kept up to date by differences.
public struct Tally: Equatable, Sendable {
    /// Workers that are starting.
    public internal(set) var starting = 0
    /// Workers that are ready, including replacements that soak.
    public internal(set) var ready = 0
    /// Workers that are being emptied, that drain, or that were killed and are not gone yet.
    public internal(set) var ending = 0
    /// Slots whose current worker is ready.
    public internal(set) var serving = 0
    /// Slots whose replacement is in flight.
    public internal(set) var inFlight = 0
    /// Slots with a worker that serves or starts, or is to take over.
    public internal(set) var occupied = 0
    /// Slots in backoff.
    public internal(set) var waiting = 0
    /// Slots whose worker serves and is to be recycled without having been asked for.
    public internal(set) var overdue = 0

    init() {}

    init(of slot: Slot) {
        if let current = slot.current {
            count(current)
            if current.state.isReady { serving = 1 }
            if current.isOverdue { overdue = 1 }
        }
        if let replacement = slot.replacement {
            count(replacement)
            inFlight = 1
        }
        if !slot.isVacant { occupied = 1 }
        ending += slot.draining.count
        if slot.restartAt != nil { waiting = 1 }
    }

    private mutating func count(_ worker: Worker) {
        switch worker.state {
        case .starting: starting += 1
        case .ready: ready += 1
        case .emptying, .draining, .killed: ending += 1
        }
    }

    mutating func exchange(_ old: Tally, for new: Tally) {
        starting += new.starting - old.starting
        ready += new.ready - old.ready
        ending += new.ending - old.ending
        serving += new.serving - old.serving
        inFlight += new.inFlight - old.inFlight
        occupied += new.occupied - old.occupied
        waiting += new.waiting - old.waiting
        overdue += new.overdue - old.overdue
    }
}
