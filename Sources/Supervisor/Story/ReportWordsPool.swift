// What the log says about rolls, recycles and the pool. A reload reads as a story: its reason, each slot, its duration,
// its result.
internal import Reloader

extension RollReport {
    func record(_ context: ReportContext) -> LogRecord {
        switch self {
        case .began(let target, let base, let workers):
            LogRecord(
                .info, "reload_began",
                target == base
                    ? "rollback: generation \(base) keeps serving"
                    : "\(target > base ? "reload" : "rollback"): generation \(target) replaces generation \(base)",
                [("generation", .number(target)), ("base", .number(base)), ("workers", .number(workers))])
        case .bounded(let target, let room, let surge):
            LogRecord(
                .warning, "reload_bounded",
                "memory has room for \(room == 0 ? "no worker" : counted(room, "worker")) more than there are: "
                    + "\(room < 2 ? "one is" : "\(room) are") replaced at a time instead of \(surge), and those that "
                    + "drain are waited for",
                [("generation", .number(target)), ("room", .number(room)), ("surge", .number(surge))])
        case .slotReplaced(let slot, let generation, let replaced, let workers):
            LogRecord(
                .info, "slot_replaced", "\(servingWords(replaced, of: workers)) generation \(generation)",
                [("slot", .number(slot)), ("generation", .number(generation))])
        case .canaryWaits(let target, let replaced, let workers, let time):
            LogRecord(
                .info, "canary_waits",
                "\(servingWords(replaced, of: workers)) generation \(target) on trial: promote continues the reload"
                    + (time.map { " (which happens by itself in \(LogFormatter.seconds($0))s)" } ?? "")
                    + ", rollback takes it back",
                [("generation", .number(target)), ("replaced", .number(replaced)), ("workers", .number(workers))])
        case .promoted(let target, let after):
            LogRecord(
                .info, "promoted", "generation \(target) is promoted: the reload continues",
                [("generation", .number(target)), ("after", .duration(after))])
        case .done(let target, let workers, let took):
            LogRecord(
                .info, "reload_done", "reload done: all slots serve generation \(target)",
                [("generation", .number(target)), ("workers", .number(workers)), ("took", .duration(took))])
        case .superseded(let target, let by):
            LogRecord(
                .info, "reload_superseded", "a newer reload takes over: generation \(by) instead of \(target)",
                [("generation", .number(target)), ("by", .number(by))])
        case .failed(let target, let base, let slot, _, let reason, let toRevert):
            LogRecord(
                .error, "reload_failed",
                "reload failed, generation \(base) keeps serving: slot \(slot): \(reason.words(context))",
                [
                    ("generation", .number(target)), ("base", .number(base)), ("slot", .number(slot)),
                    ("to_revert", .number(toRevert)),
                ])
        case .timedOut(let target, let base, let after, let toRevert):
            LogRecord(
                .error, "reload_timed_out",
                "reload did not finish in time, generation \(base) keeps serving",
                [
                    ("generation", .number(target)), ("base", .number(base)), ("after", .duration(after)),
                    ("to_revert", .number(toRevert)),
                ])
        case .reverted(let target, let base, let took):
            LogRecord(
                .error, "reload_reverted",
                "\(servesAgain(base, changed: context.changedFiles)); generation \(target) was not deployed",
                [("generation", .number(target)), ("base", .number(base)), ("took", .duration(took))])
        case .aborted(let target):
            LogRecord(.warning, "reload_aborted", "reload given up", [("generation", .number(target))])
        }
    }
}

extension RecycleReport {
    func record(_ context: ReportContext) -> LogRecord {
        switch what {
        case .began(let generation):
            LogRecord(
                reason == .watchdog ? .warning : .info, "recycle_began",
                "replacing the worker with a new one: \(reason.words)",
                [("slot", .number(slot)), ("generation", .number(generation))])
        case .done(let generation, let took):
            LogRecord(
                .info, "recycle_done", "a new worker serves the slot",
                [("slot", .number(slot)), ("generation", .number(generation)), ("took", .duration(took))])
        case .failed(let generation, _, let failure):
            LogRecord(
                .error, "recycle_failed",
                "replacing the worker failed (\(reason.words)): \(failure.words(context))",
                [("slot", .number(slot)), ("generation", .number(generation))])
        case .abandoned:
            LogRecord(
                .info, "recycle_abandoned", "gave up replacing the worker: the pool is changing",
                [("slot", .number(slot))])
        }
    }
}

extension PoolReport {
    func record(_ context: ReportContext) -> LogRecord {
        switch self {
        case .ready(let workers, let after):
            LogRecord(
                .info, "pool_ready", "all workers are ready",
                [("workers", .number(workers)), ("after", .duration(after))] + context.on)
        case .backoffBegan(let slot, let delay, let failures):
            LogRecord(
                .warning, "backoff", "slot waits before its next start",
                [("slot", .number(slot)), ("delay", .duration(delay)), ("failures", .number(failures))])
        case .paused: LogRecord(.info, "paused", "the pool is paused: reloads wait for resume")
        case .resumed: LogRecord(.info, "resumed", "the pool is resumed: reloads continue")
        case .refused(let refusal): LogRecord(.warning, "refused", refusal.words)
        case .scaled(let from, let to):
            LogRecord(
                .info, "scaled", "\(counted(to, "worker")) instead of \(from)",
                [("from", .number(from)), ("workers", .number(to))])
        case .drainingAll:
            LogRecord(
                .warning, "draining_all",
                "all workers drain\(context.askedBy.map { " on request of \($0.words)" } ?? ""): listeners stay open; "
                    + "the next reload starts workers again", context.by)
        case .stopping(let mode):
            LogRecord(.info, "stopping", mode.words(context.workersWaitedFor), context.by)
        case .gaveUp(let failures, let period):
            LogRecord(
                .error, "gave_up", "too many failures, giving up (--give-up)",
                [("failures", .number(failures)), ("within", .duration(period))])
        }
    }
}

extension ReportContext {
    /// The addresses as a field.
    fileprivate var on: [(key: String, value: LogRecord.Value)] {
        addresses.isEmpty ? [] : [("on", .text(addresses.joined(separator: ", ")))]
    }
}

/// What serves after a revert. A revert brings back what is pinned, and nothing else.
func servesAgain(_ base: Int, changed: [String]) -> String {
    let again = "every slot serves generation \(base) again"
    if changed.isEmpty { return again }
    let files = changed.map { printable($0) }.joined(separator: ", ")
    return again + ", but later changes to \(files) are not undone (releases belong in directories of their own)"
}

/// How far a roll is: `1 of 4 slots serve`.
private func servingWords(_ replaced: Int, of workers: Int) -> String {
    "\(replaced) of \(counted(workers, "slot")) \(workers == 1 ? "serves" : "serve")"
}

extension StopMode {
    fileprivate func words(_ workers: Int?) -> String {
        switch (self, workers) {
        case (.fast, _): "stopping at once"
        case (.graceful, nil), (.graceful, 0): "stopping: workers drain"
        case (.graceful, let workers?):
            "stopping: waiting for \(counted(workers, "worker")) (repeat to end them at once)"
        }
    }
}

extension Refusal {
    var words: String {
        switch self {
        case .noCanaryWaits: "promote refused: no canary is waiting"
        case .notKept(let generation): "rollback refused: generation \(generation) is not kept"
        case .nothingToRollBackTo: "rollback refused: no earlier generation is kept"
        case .noSuchSlot(let slot): "restart refused: there is no slot \(slot)"
        case .rollUnderWay(let slot):
            "restart of slot \(slot) refused: a reload is under way and may replace its worker"
        case .noRoom: "refused: memory has no room for one more worker (--force: replace one at a time all the same)"
        case .drained: "refused: all workers are drained, and only a reload starts workers again"
        }
    }
}
