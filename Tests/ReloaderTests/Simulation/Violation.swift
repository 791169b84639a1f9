import Reloader

/// An invariant from the head of Pool.swift that did not hold, or one of the promises around them.
enum Invariant: String {
    case capacity = "1: a roll never lowers capacity"
    case limit = "2: at most n + surge workers are starting or ready, and draining ones are bounded"
    case startFirst = "3: a ready worker is asked to finish only if another serves its slot"
    case signals = "4: one stop signal, then one SIGKILL, none after the exit; each exit is seen once"
    case backoff = "5: delays follow the formula, no slot is started twice in the same role"
    case settles = "6: the pool settles"
    case stops = "7: after a stop nothing starts, and the daemon ends"
    case reverts = "8: after a failed roll every slot serves what it served before"
    case trial = "9: a roll takes no more slots than its canary has, and none in a pause"
    case recycle = "10: one worker is recycled at a time, and none in a roll"
    case deadlines = "what is due happens, and the next deadline lies ahead"
    case leftovers = "12: leftovers have their time and are then killed; the daemon ends when none is left"
    case listening = "16: ready by listening on all expected ports, or on some when the patience is over"
    case handingOn = "17: a restored pool goes on like one that never stopped; after a takeover all is asked for again"
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
