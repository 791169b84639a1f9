import Reloader

/// Everything around the pool, simulated: a clock, the processes, the people, and the chance that decides about all of
/// them. It carries out the pool's effects, and lets the monitor check each step.
///
/// A run has a stormy part, in which programs fail and people give commands, and a calm one, in which everything works:
/// then the pool must come to rest. Finally it is stopped, and must end.
struct World {
    /// What happens without a command.
    private enum Happening {
        case news(Event)
        /// The answer to an effect, for the daemon that carried it out.
        case answer(Event, to: Int)
        case exit(WorkerID, ExitStatus)
        case listening(WorkerID, Listening)
        case pings(WorkerID, until: Instant?)
        /// Part of a worker's fate; none of them happens in calm weather.
        case misfortune(WorkerID, Misfortune)
        case commands
        case noise
        case calm
    }

    private enum Misfortune {
        case exits
        case saysStopping
        case asksForTime
    }

    private struct Process {
        /// The daemon that started it, or failed to.
        var startedBy = 0
        var fate = Fate()
        /// Its spawn did not fail.
        var hasLived = true
        var isGone = false
        var listens = false
        /// It has had its stop signal.
        var isAsked = false
    }

    private var chance: Chance
    /// What becomes of the daemon is drawn apart, so that being replaced changes nothing about a schedule.
    private var lot: Chance
    private var now = Instant(nanoseconds: 0)
    private var agenda = Agenda<Happening>()
    private var relay: Relay
    private var monitor: Monitor
    private var effects: [Effect] = []
    /// Events that the daemon has not given to the pool yet.
    private var line: [Event] = []
    private var processes: [WorkerID: Process] = [:]
    /// The character of generation g is at index g - 1.
    private var characters: [Character]
    private var policy: Policy
    private var isCalm = false
    /// The number of things on the agenda that are more than routine.
    private var pending = 0
    /// How long the answer to a spawn may take; nil: it comes at once, as from the real runtime if the program is not
    /// busy.
    private let answersWithin: Int?
    private let deadlinesAreLate: Bool
    /// Counts the daemons, one after the other.
    private var daemon = 1
    private var deathsLeft: Int
    private var isDead = false
    private var unheard: Unheard
    /// How far the pool's clock is behind.
    private var skipped = Duration.zero

    /// What happened, for people to read; nil: not recorded.
    private(set) var story: [String]?
    private(set) var steps = 0

    private static let stormMax = 3000
    private static let calmMax = Duration.seconds(120)
    private static let stepsMax = 20_000

    init(seed: UInt64, tells: Bool) {
        chance = Chance(seed: seed)
        lot = Chance(seed: ~seed)
        policy = Schedule.policy(&chance)
        relay = Relay(Pool(policy: policy, seed: seed))
        monitor = Monitor(policy: policy, now: now)
        characters = [chance.percent(60) ? .good : Character.random(&chance)]
        answersWithin = chance.percent(15) ? 30 : nil
        deadlinesAreLate = chance.percent(15)
        deathsLeft = lot.percent(30) ? lot.int(1...5) : 0
        unheard = Unheard(losesWords: lot.percent(30))
        story = tells ? ["\(policy)"] : nil
    }

    mutating func run() throws(Violation) {
        enter(.calm, at: now + chance.milliseconds(100...Self.stormMax))
        for _ in 0..<chance.int(0...15) { enter(.commands, at: now + chance.milliseconds(0...Self.stormMax)) }
        for _ in 0..<chance.int(0...20) { enter(.noise, at: now + chance.milliseconds(0...Self.stormMax)) }
        try send(.start)
        var calmUntil: Instant?
        while !(isCalm && (pending == 0 || monitor.isAging) && monitor.isSettled) {
            try proceed()
            try release()
            if isCalm, calmUntil == nil { calmUntil = now + Self.calmMax }
            let isLate = calmUntil.map { now > $0 } ?? false
            if isLate || steps > Self.stepsMax { throw Violation(.settles, "no rest at \(milliseconds) ms") }
        }
        try monitor.judgeRest(of: relay.pool)
        try runToTheEnd()
    }

    /// Nothing is left of a stopped pool.
    private mutating func runToTheEnd() throws(Violation) {
        try send(.stop(.graceful))
        while monitor.phase != .finished {
            try proceed()
            if steps > 2 * Self.stepsMax { throw Violation(.stops, "no end at \(milliseconds) ms") }
        }
        for late in [.rollback(to: nil), .promote, .pause, .resume, .restart(slot: 0), .drainAll] as [Event] {
            try send(late)
        }
        try send(.reload(generation: monitor.newest + 1, policy: policy))
        try monitor.judgeRest(of: relay.pool)
        try relay.judge()
    }

    // MARK: time

    private var poolTime: Instant { now + (.zero - skipped) }

    private var milliseconds: Double { Double(now.nanoseconds / 1000) / 1000 }

    private mutating func enter(_ happening: Happening, at time: Instant) {
        if case .pings = happening {} else { pending += 1 }
        agenda.enter(happening, at: max(time, now))
    }

    /// Proceeds to the next thing that happens: a deadline, or something on the agenda. At the same instant either may
    /// come first.
    private mutating func proceed() throws(Violation) {
        var deadline = relay.pool.nextDeadline.map { $0 + skipped }
        if deadlinesAreLate, chance.percent(30) { deadline = deadline.map { $0 + chance.milliseconds(0...20) } }
        guard let next = agenda.next else {
            guard let deadline else { throw Violation(.settles, "the pool waits for nothing but is not at rest") }
            return try pass(to: deadline)
        }
        if let deadline, deadline < next || (deadline == next && chance.percent(50)) { return try pass(to: deadline) }
        now = max(now, next)
        guard let happening = agenda.take() else { return }
        if case .pings = happening {} else { pending -= 1 }
        try happen(happening)
    }

    private mutating func pass(to deadline: Instant) throws(Violation) {
        now = max(now, deadline)
        try send(.deadline)
    }

    // MARK: what happens

    private mutating func happen(_ happening: Happening) throws(Violation) {
        switch happening {
        case .news(let event): try tell(event)
        case .answer(let event, let asker): if asker == daemon { try send(event) }
        case .exit(let id, let status): try exit(id, status)
        case .listening(let id, let listening): try listen(id, listening)
        case .pings(let id, let end): try ping(id, until: end)
        case .misfortune(let id, let misfortune): try suffer(misfortune, id)
        case .commands where isDead, .noise where isDead, .calm where isDead:
            enter(happening, at: now + .milliseconds(5))
        case .commands: try command()
        case .noise: try send(noise())
        case .calm:
            isCalm = true
            characters = characters.map { _ in .good }
            if monitor.phase == .drained, chance.percent(50) { try obey(.reload) }
        }
    }

    private mutating func exit(_ id: WorkerID, _ status: ExitStatus) throws(Violation) {
        guard !process(id).isGone else { return }
        processes[id]?.isGone = true
        try tell(.exited(id, status, leaves: process(id).fate.leaves))
    }

    /// Nobody sees that the worker closes its ports.
    private mutating func listen(_ id: WorkerID, _ listening: Listening) throws(Violation) {
        guard !process(id).isGone else { return }
        processes[id]?.listens = listening != .onNone
        if listening != .onNone { try tell(.listens(id, onAllExpected: listening == .onAll)) }
    }

    private mutating func ping(_ id: WorkerID, until end: Instant?) throws(Violation) {
        guard !process(id).isGone else { return }
        if let end, end < now, !isCalm { return enter(.pings(id, until: nil), after: process(id).fate.pingsAgainAfter) }
        try tell(.heartbeat(id))
        agenda.enter(.pings(id, until: end), at: now + .milliseconds(45))
    }

    private mutating func suffer(_ misfortune: Misfortune, _ id: WorkerID) throws(Violation) {
        guard !isCalm, !process(id).isGone else { return }
        switch misfortune {
        case .exits: try exit(id, chance.percent(50) ? .exited(code: 1) : .signaled(11, coreDumped: true))
        case .saysStopping:
            enter(.exit(id, .exited(code: 0)), at: now + chance.milliseconds(0...300))
            try tell(.stopping(id))
        case .asksForTime: try tell(.extendTimeout(id, by: chance.milliseconds(0...400)))
        }
    }

    private mutating func command() throws(Violation) {
        guard !isCalm else { return }
        for command in Schedule.commands(&chance) { try obey(command) }
    }

    private mutating func obey(_ command: Command) throws(Violation) {
        switch command {
        case .reloadUnderNewPolicy:
            policy = Schedule.policy(&chance)
            try obey(.reload)
        case .reload:
            if chance.percent(70) { policy.workers = monitor.size }
            characters.append(isCalm ? .good : Character.random(&chance))
            try send(.reload(generation: characters.count, policy: policy, plan: Schedule.plan(&chance)))
        case .scale(let change): try send(.scale(change))
        case .drainAll: try send(.drainAll)
        case .stop(let mode): try send(.stop(mode))
        case .rollback:
            let generation = chance.percent(50) ? nil : chance.int(0...monitor.newest + 1)
            try send(.rollback(to: generation, plan: Schedule.plan(&chance)))
        case .promote: try send(.promote)
        case .pause: try send(.pause)
        case .resume: try send(.resume)
        case .restart: try send(.restart(slot: chance.int(-1...monitor.size)))
        case .overMemory:
            if !monitor.live.isEmpty { try send(.overMemory(monitor.workers[chance.pick(monitor.live)].id)) }
        }
    }

    /// When all is well, people let a waiting roll go on.
    private mutating func release() throws(Violation) {
        guard isCalm, monitor.isForward else { return }
        if monitor.isPaused { try send(.resume) }
        if monitor.waitsSince != nil { try send(.promote) }
    }

    /// Unexpected news: from any worker, gone or not, or from one that never existed.
    private mutating func noise() -> Event {
        let id = WorkerID(number: UInt64(chance.int(1...monitor.workers.count + 1)))
        return Schedule.noise(from: id, isGone: process(id).isGone, &chance)
    }

    // MARK: the pool

    /// Answers that come at once wait for the effects before them.
    private mutating func send(_ event: Event) throws(Violation) {
        line.append(event)
        while !line.isEmpty {
            try handle(line.removeFirst())
            if mustDie { return try die() }
            for effect in effects { if let answer = try carryOut(effect) { line.append(answer) } }
        }
    }

    private mutating func handle(_ event: Event) throws(Violation) {
        steps += 1
        if lot.percent(2) { try relay.handOn() }
        effects.removeAll(keepingCapacity: true)
        monitor.observe(event, now: poolTime)
        try relay.handle(event, now: poolTime, effects: &effects)
        if story != nil { record(event) }
        for effect in effects { try monitor.take(effect) }
        try monitor.judge(relay.pool)
    }

    /// Returns the answer to a spawn or to an emptying, if it comes at once.
    private mutating func carryOut(_ effect: Effect) throws(Violation) -> Event? {
        switch effect {
        case .spawn(let id, _, let generation): return try spawn(id, characters[generation - 1])
        case .countPorts(let id): return answer(.portsCounted(id, listens: process(id).listens))
        case .empty(let id): return empty(id)
        case .terminate(let id):
            guard !process(id).isAsked else { break }
            processes[id]?.isAsked = true
            if let drains = process(id).fate.drains { enter(.exit(id, .exited(code: 0)), at: now + drains) }
        case .kill(let id): enter(.exit(id, .signaled(9, coreDumped: false)), at: now + chance.milliseconds(0...20))
        case .terminateLeftovers(let id): enter(.news(.leftoversGone(id)), after: process(id).fate.leftoversEndAfter)
        case .killLeftovers(let id): enter(.news(.leftoversGone(id)), at: now + chance.milliseconds(0...20))
        case .release, .finish, .report: break
        }
        return nil
    }

    private mutating func spawn(_ id: WorkerID, _ character: Character) throws(Violation) -> Event? {
        // A daemon that has just taken over knows what it was asked for since.
        if processes[id]?.startedBy == daemon { return nil }
        if processes[id]?.hasLived ?? false { throw Violation(.handingOn, "\(id) is started a second time") }
        if let failure = character.spawnFailure(&chance) {
            processes[id] = Process(startedBy: daemon, hasLived: false, isGone: true)
            return answer(.spawnFailed(id, failure))
        }
        let fate = character.fate(&chance)
        processes[id] = Process(startedBy: daemon, fate: fate)
        begin(id, fate)
        enter(.misfortune(id, .exits), after: fate.exitsAfter)
        enter(.misfortune(id, .saysStopping), after: fate.saysStoppingAfter)
        enter(.misfortune(id, .asksForTime), after: fate.asksForTimeAfter)
        if policy.watchdog != nil { enter(.pings(id, until: fate.pingsFor.map { now + $0 }), at: now) }
        return answer(.spawned(id))
    }

    /// The worker says in its own way that it is ready. A worker that becomes ready by listening may say so too.
    private mutating func begin(_ id: WorkerID, _ fate: Fate) {
        guard var time = fate.readyAfter else { return }
        if policy.readiness != .listening || chance.percent(10) { enter(.news(.ready(id)), after: time) }
        guard policy.readiness == .listening || chance.percent(10) else { return }
        for (listening, after) in fate.listening {
            time += after
            enter(.listening(id, listening), after: time)
        }
    }

    /// The answer comes when nothing is left, however late that is, even for a worker that has long had its stop
    /// signal.
    private mutating func empty(_ id: WorkerID) -> Event? {
        let fate = process(id).fate
        enter(.misfortune(id, .exits), after: fate.exitsWhenEmptied)
        if fate.empties == .zero { return .emptied(id) }
        enter(.answer(.emptied(id), to: daemon), after: fate.empties)
        return nil
    }

    private mutating func enter(_ happening: Happening, after time: Duration?) {
        if let time { enter(happening, at: now + time) }
    }

    private mutating func answer(_ event: Event) -> Event? {
        guard let answersWithin else { return event }
        enter(.answer(event, to: daemon), after: chance.milliseconds(0...answersWithin))
        return nil
    }

    /// One that has never been is gone.
    private func process(_ id: WorkerID) -> Process { processes[id] ?? Process(hasLived: false, isGone: true) }

    // MARK: handing on

    private var mustDie: Bool {
        mutating get { deathsLeft > 0 && monitor.phase != .finished && lot.percent(3) }
    }

    /// The daemon dies before it has carried out all effects of the event, and there is none for a while.
    private mutating func die() throws(Violation) {
        deathsLeft -= 1
        for effect in effects.prefix(lot.int(0...effects.count)) { _ = try carryOut(effect) }
        line = []
        daemon += 1
        isDead = true
        note("the daemon dies")
        let end = now + lot.milliseconds(0...400)
        while let next = agenda.next, next <= end {
            now = max(now, next)
            guard let happening = agenda.take() else { break }
            if case .pings = happening {} else { pending -= 1 }
            try happen(happening)
        }
        now = end
        isDead = false
        try takeOver()
    }

    /// See Pool+Takeover. The new daemon may die before it has told everything; the next one begins where it was.
    private mutating func takeOver() throws(Violation) {
        let me = daemon
        try relay.handOn()
        let due = relay.pool.nextDeadline.flatMap { $0 <= poolTime ? $0 : nil }
        if let due { skipped = now - due + .nanoseconds(1) }
        if lot.percent(50) { unheard.sortByWorker() }
        for worker in monitor.live.map({ monitor.workers[$0] }) where daemon == me {
            if process(worker.id).hasLived {
                try send(.spawned(worker.id))
            } else if worker.isAnswered {
                // Noise had it that it lives.
                try send(.exited(worker.id, .exited(code: 1)))
            }
        }
        while daemon == me, let event = unheard.takeFirst() { try send(event) }
        if daemon == me { try send(.takenOver) }
        guard daemon == me, let due else { return }
        skipped = now - due
        try send(.deadline)
    }

    /// The daemon hears this, or the next one will.
    private mutating func tell(_ event: Event) throws(Violation) {
        if isDead { unheard.enter(event, &lot) } else { try send(event) }
    }

    private mutating func note(_ what: String) {
        let time = milliseconds
        story?.append("\(time) ms: \(what)")
    }

    private mutating func record(_ event: Event) {
        note("\(event)")
        for effect in effects { story?.append("    \(effect)") }
    }
}
