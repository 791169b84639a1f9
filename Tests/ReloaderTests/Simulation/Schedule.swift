import Reloader

/// What people do in one run of the simulation, what untrue news there is, and how patient the policy is: short times,
/// so that everything coincides.
enum Schedule {
    static func policy(_ chance: inout Chance) -> Policy {
        var policy = Policy()
        policy.workers = chance.percent(90) ? chance.int(1...4) : chance.int(5...8)
        policy.surge = chance.pick([nil, nil, 1, 2, 3, 100])
        policy.soak = chance.pick([.zero, .zero, .milliseconds(20), .milliseconds(100)])
        policy.readiness = chance.percent(60) ? .message : .listening
        if chance.percent(15) { policy.readiness = .after(chance.milliseconds(5...200)) }
        policy.portsPatience = chance.milliseconds(5...150)
        policy.readyTimeout = chance.pick([.milliseconds(100), .milliseconds(200)])
        if policy.readiness == .listening { policy.readyTimeout = policy.readyTimeout * 2 }
        if chance.percent(50) {
            let timeouts = [.zero, .milliseconds(50), .milliseconds(150), chance.milliseconds(5...400)]
            policy.drain = .outside(timeout: chance.pick(timeouts))
        }
        policy.stopTimeout = chance.pick([.milliseconds(50), .milliseconds(200)])
        policy.backoffBase = chance.pick([.milliseconds(10), .milliseconds(40)])
        policy.backoffCap = chance.pick([.milliseconds(30), .milliseconds(200)])
        policy.backoffReset = chance.pick([.milliseconds(100), .milliseconds(300)])
        if chance.percent(10) {
            let period = chance.pick([Duration.milliseconds(300), .seconds(5)])
            policy.giveUp = GiveUp(failures: chance.int(1...12), within: period)
        }
        if chance.percent(20) { policy.watchdog = chance.pick([.milliseconds(100), .milliseconds(150)]) }
        if chance.percent(15) { policy.maxAge = chance.pick([.milliseconds(300), .seconds(1), .seconds(3)]) }
        policy.generationsKept = chance.int(1...4)
        return policy
    }

    static func plan(_ chance: inout Chance) -> RollPlan {
        var plan = RollPlan()
        if chance.percent(30) {
            let times: [Duration?] = [nil, .zero, .milliseconds(50), chance.milliseconds(5...500)]
            plan.canary = Canary(slots: chance.pick([1, 1, 1, 2, 3, 100]), time: chance.pick(times))
        }
        if chance.percent(15) { plan.surge = chance.int(1...5) }
        if chance.percent(15) { plan.soak = chance.pick([.zero, .milliseconds(50), .milliseconds(150)]) }
        if chance.percent(25) { plan.maxFailures = chance.int(1...5) }
        if chance.percent(15) {
            plan.timeout = chance.pick([.milliseconds(5), .milliseconds(100), chance.milliseconds(5...1000)])
        }
        return plan
    }

    static func noise(from id: WorkerID, isGone: Bool, _ chance: inout Chance) -> Event {
        switch chance.int(0...(isGone ? 13 : 10)) {
        case 0: .ready(id)
        case 1: .heartbeat(id)
        case 2: .stopping(id)
        case 3: .extendTimeout(id, by: chance.milliseconds(-100...300))
        case 4: .deadline
        case 5: .emptied(id)
        case 6: .overMemory(id)
        case 7: .leftoversGone(id)
        case 8: .overslept
        case 9: .listens(id, onAllExpected: chance.percent(50))
        case 10: .portsCounted(id, listens: chance.percent(50))
        case 11: .exited(id, .exited(code: 0))
        case 12: .spawned(id)
        default: .spawnFailed(id, .exhausted)
        }
    }

    /// One thing that people do. A burst is several of them at the same instant.
    static func commands(_ chance: inout Chance) -> [Command] {
        switch chance.int(0...139) {
        case 100..<106: [.rollback]
        case 106..<109: [.reload, .rollback]
        case 109..<115: [.promote]
        case 115..<119: [.pause]
        case 119..<120: [.pause, .reload]
        case 120..<125: [.resume]
        case 125..<131: [.restart]
        case 131..<133: [.restart, .restart, .reload]
        case 133..<138: [.overMemory]
        case 138..<140: [.restart, .scale(.by(-1))]
        case 0..<50: [.reload]
        case 50..<60: Array(repeating: .reload, count: chance.int(2...8))
        case 60..<64: [.reloadUnderNewPolicy]
        case 64..<80: [.scale(.by(chance.pick([1, 1, -1, -1, 2, -3])))]
        case 80..<86: [.scale(.to(chance.int(1...6)))]
        case 86..<90: [.drainAll]
        case 90..<92: [.drainAll, .reload]
        case 92..<95: [.stop(.graceful)]
        case 95..<96: [.stop(.graceful), .stop(.graceful)]
        case 96..<97: [.stop(.fast)]
        default: [.scale(.by(1)), .reload, .scale(.by(-1))]
        }
    }
}

enum Command {
    case reload
    case reloadUnderNewPolicy
    case scale(ScaleChange)
    case drainAll
    case stop(StopMode)
    case rollback
    case promote
    case pause
    case resume
    case restart
    case overMemory
}
