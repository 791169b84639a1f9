import Reloader

/// An invariant from the head of Pool.swift that did not hold, or one of the promises around them.
enum Invariant: String {
    case capacity = "1: a roll never lowers capacity"
    case limit = "2: never more than n + surge starting or ready, draining ones bounded"
    case startFirst = "3: a ready worker is asked to finish only when another serves its slot"
    case signals = "4: one stop signal, then one SIGKILL, none after the exit; each exit once"
    case backoff = "5: delays follow the formula, no slot is started twice in the same role"
    case settles = "6: the pool settles"
    case stops = "7: after a stop nothing starts, and the daemon ends"
    case reverts = "8: after a failed roll every slot serves what it served before"
    case trial = "9: a roll takes no more slots than its canary, and none in a pause"
    case recycle = "10: one worker is recycled at a time, and none in a roll"
    case deadlines = "what is due happens, and the next deadline lies ahead"
    case leftovers = "12: what a worker leaves has its time, and is then killed; the daemon ends when nothing is left"
    case listening = "16: ready by listening on all that is expected, or on some when the patience is over"
    case release = "11: a generation is released once, when it can never be started again"
    case story = "reports tell what happened"
}

struct Violation: Error {
    let invariant: Invariant
    let what: String

    init(_ invariant: Invariant, _ what: String) {
        self.invariant = invariant
        self.what = what
    }
}
