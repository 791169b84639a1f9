import Reloader

/// What the simulated program of one generation is like. All become good when the faults stop.
enum Character: CaseIterable {
    case good
    /// Each worker may have any fault.
    case flaky
    case exitsBeforeReady
    case neverReady
    case diesInSoak
    case crashesLater
    case missing
    case refused

    static func random(_ chance: inout Chance) -> Character {
        chance.percent(40) ? .good : chance.pick(allCases)
    }

    /// What the spawn of one of its workers comes to; nil: it works.
    func spawnFailure(_ chance: inout Chance) -> SpawnFailure? {
        switch self {
        case .good, .exitsBeforeReady, .neverReady, .diesInSoak, .crashesLater: nil
        case .flaky: chance.percent(10) ? chance.pick([.exhausted, .exhausted, .missing, .refused]) : nil
        case .missing: .missing
        case .refused: .refused
        }
    }

    func fate(_ chance: inout Chance) -> Fate {
        var fate = Fate()
        if chance.percent(95) { fate.readyAfter = chance.milliseconds(0...60) }
        switch self {
        case .good, .missing, .refused:
            fate.readyAfter = chance.milliseconds(0...60)
        case .exitsBeforeReady:
            fate.readyAfter = nil
            fate.exitsAfter = chance.milliseconds(0...60)
        case .neverReady:
            fate.readyAfter = nil
        case .diesInSoak:
            fate.exitsAfter = fate.readyAfter.map { $0 + chance.milliseconds(0...100) }
        case .crashesLater:
            fate.exitsAfter = chance.milliseconds(50...1000)
        case .flaky:
            if chance.percent(30) { fate.exitsAfter = chance.milliseconds(0...500) }
            if chance.percent(15) { fate.saysStoppingAfter = chance.milliseconds(0...500) }
            if chance.percent(15) { fate.asksForTimeAfter = chance.milliseconds(0...200) }
            if chance.percent(20) {
                fate.pingsFor = chance.milliseconds(0...400)
                if chance.percent(50) { fate.pingsAgainAfter = chance.milliseconds(50...400) }
            }
        }
        if chance.percent(60) {
            fate.listening = (0..<chance.int(1...2)).map { _ in (.onSome, chance.milliseconds(0...60)) }
            if chance.percent(50) { fate.listening.append((.onAll, chance.milliseconds(0...60))) }
            if self != .good, chance.percent(40) { fate.listening.append((.onNone, chance.milliseconds(0...60))) }
        }
        if self == .flaky || chance.percent(20) {
            fate.drains = chance.pick([.milliseconds(0), .milliseconds(20), chance.milliseconds(50...400), nil])
        }
        if chance.percent(70) { fate.empties = chance.pick([nil, .zero, chance.milliseconds(0...400)]) }
        fate.leaves = chance.percent(self == .good ? 10 : 25)
        if fate.leaves, chance.percent(70) { fate.leftoversEndAfter = chance.milliseconds(0...300) }
        if chance.percent(self == .good ? 5 : 30) { fate.exitsWhenEmptied = chance.milliseconds(0...200) }
        return fate
    }
}

/// What a simulated worker does with its ports.
enum Listening {
    /// Begins on the last of those that are expected of it.
    case onAll
    /// Begins on one of them.
    case onSome
    /// Closes them all.
    case onNone
}

/// What a simulated worker is going to do. Times count from its spawn.
struct Fate {
    var readyAfter: Duration?
    /// After `readyAfter`, if it says by listening that it is ready: what it does with its ports, one after the other.
    var listening: [(Listening, after: Duration)] = [(.onAll, .zero)]
    var exitsAfter: Duration?
    var saysStoppingAfter: Duration?
    var asksForTimeAfter: Duration?
    /// It sends heartbeats for so long; nil: for ever.
    var pingsFor: Duration?
    /// After a pause it goes on; nil: never.
    var pingsAgainAfter: Duration?
    /// From the stop signal to its exit; nil: it ignores the signal.
    var drains: Duration? = .milliseconds(5)
    /// From the order to empty it to when nothing is left; zero: nothing was there; nil: its clients stay for ever.
    var empties: Duration? = .milliseconds(5)
    /// Something that it has started outlives it.
    var leaves = false
    /// From the stop signal to the end of that; nil: it ignores the signal.
    var leftoversEndAfter: Duration?
    /// From the order to empty it to an exit that nobody asked for.
    var exitsWhenEmptied: Duration?
}
