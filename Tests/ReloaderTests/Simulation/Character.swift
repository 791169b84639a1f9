import Reloader

/// What the simulated program of one generation is like. All programs become good when the faults stop.
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

    /// How the spawn of one of its workers fails; nil: it succeeds.
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
    /// It begins to listen on the last of the ports that are expected of it.
    case onAll
    /// It begins to listen on one of them.
    case onSome
    /// It closes them all.
    case onNone
}

/// What a simulated worker is going to do. Times count from its spawn.
struct Fate {
    var readyAfter: Duration?
    /// What it does with its ports after `readyAfter`, step by step, if it becomes ready by listening.
    var listening: [(Listening, after: Duration)] = [(.onAll, .zero)]
    var exitsAfter: Duration?
    var saysStoppingAfter: Duration?
    var asksForTimeAfter: Duration?
    /// How long it sends heartbeats; nil: for ever.
    var pingsFor: Duration?
    /// The pause after which it sends heartbeats again; nil: never.
    var pingsAgainAfter: Duration?
    /// Time from the stop signal to its exit; nil: it ignores the signal.
    var drains: Duration? = .milliseconds(5)
    /// Time from the order to empty it until nothing is left. zero: nothing was there; nil: its clients stay for ever.
    var empties: Duration? = .milliseconds(5)
    /// A process that it has started outlives it.
    var leaves = false
    /// Time from the stop signal to the end of that process; nil: it ignores the signal.
    var leftoversEndAfter: Duration?
    /// Time from the order to empty it to an exit that nobody asked for.
    var exitsWhenEmptied: Duration?
}
