// A reload, from the order to the core: everything is read anew and pinned as the next generation.
internal import Glibc
internal import Reloader

extension Daemon {
    /// Versions beyond that are forgotten: nobody deploys them again.
    private static let badTracesMax = 16

    /// What can't be read or found refuses the reload before anything has changed.
    ///
    /// - Parameter willBegin: called when the roll is sure to begin; it may be over before this function returns.
    @discardableResult
    func reload(
        _ order: ReloadOrder, willBegin: (RollWatch) -> Void = { _ in }
    ) throws(ReloadRefusal) -> RollWatch {
        if pool.isEnding { throw .ending }
        let asked = tellReloading(askedBy: order.asker)
        do throws(ReloadRefusal) {
            let fresh = try settingsForReload(order.changes)
            let generation = try nextGeneration(of: fresh)
            generation.note = order.changes.note
            newestGeneration = generation.number
            generations[generation.number] = generation
            settings = fresh
            let watch = RollWatch(GenerationFacts(generation), order, workers: fresh.policy.workers)
            control.rolls.begin(watch)
            willBegin(watch)
            if let bad = note(GenerationTrace(generation, fresh.policy), of: generation.number) {
                tellUnchanged(watch, since: bad)
            }
            handle(.reload(generation: generation.number, policy: fresh.policy, plan: order.changes.plan))
            return watch
        } catch {
            tellRefused(error)
            control.rolls.refuse(order.asker, at: asked.time, "\(error)")
            throw error
        }
    }

    /// Remembers what a generation is, and forgets those that have not failed. Returns the newest one that has failed and was
    /// the same.
    private func note(_ trace: GenerationTrace, of generation: Int) -> Int? {
        let bad = pool.badGenerations.suffix(Self.badTracesMax)
        traces = traces.filter { bad.contains($0.key) }
        let same = bad.last { traces[$0] == trace }
        traces[generation] = trace
        return same
    }

    /// It is rolled out all the same: what made it fail may be a thing that nobody here can see.
    private func tellUnchanged(_ watch: RollWatch, since bad: Int) {
        let record = story.tell(
            LogRecord(
                .warning, "reload_unchanged",
                "nothing has changed on disk since generation \(bad), which was reverted: the program, the files that its "
                    + "arguments name, its directory and environment are the same",
                [("generation", .number(watch.generation)), ("same_as", .number(bad))]))
        for client in control.waiters(for: watch.generation) { control.progress(client, watch.event(record).line) }
    }

    private func settingsForReload(
        _ changes: ReloadOrder.Changes
    ) throws(ReloadRefusal) -> Settings {
        var fresh: Settings
        do throws(ConfigurationError) { fresh = try readSettings() } catch { throw .configuration(error) }
        let kept = fresh.keepForLife(of: settings)
        if !kept.isEmpty { tellNeedsRestart(kept) }
        let isNewCount = fresh.workers != settings.workers
        // What the user chose anew counts; otherwise what TTIN and TTOU have made of it.
        if !isNewCount { fresh.workers = .fixed(pool.policy.workers) }
        fresh.policy = fresh.resolvedPolicy(automaticWorkers: CPUCount.current().automatic, ports: ports.supply)
        if !isNewCount { fresh.workers = settings.workers }
        // The command line's own can't change any more: those of the last deploy that was done with others stand.
        if let arguments = changes.arguments ?? control.rolls.arguments { fresh.program.arguments = arguments }
        return fresh
    }

    private func nextGeneration(of settings: Settings) throws(ReloadRefusal) -> Generation {
        do throws(GenerationError) {
            return try Generation(number: newestGeneration + 1, settings: settings, inherited: workerEnvironment)
        } catch {
            throw .generation(error)
        }
    }
}

/// Why a reload did not begin.
enum ReloadRefusal: Error, CustomStringConvertible {
    case configuration(ConfigurationError)
    case generation(GenerationError)
    /// The pool stops, or has ended and the daemon waits for its last hook. Nothing is told or kept of such a reload.
    case ending

    var description: String {
        switch self {
        case .configuration(let error): error.description
        case .generation(let error): error.description
        case .ending: "the pool stops: nothing is started any more"
        }
    }
}
