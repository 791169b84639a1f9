// The words of the log: each report of the core as one record. A reload reads as a story: why, each slot, how long, result.
internal import Glibc
internal import Reloader

/// What the runtime knows of a report's worker and the core doesn't.
struct ReportContext {
    var pid: Int32?
    /// Why there is no process.
    var spawnFailure: String?
    var status: String?
    /// A port that it was refused.
    var portTrouble: String?
    /// It would have been ready by listening.
    var isReadyByListening = false
    /// It has set up an io_uring.
    var usesRing = false
    /// The signal by which it is stopped.
    var stoppedBy: Int32?
    var wasOutOfMemory = false
    /// What it has started and what outlives it.
    var left: [Int32] = []
    /// What asked it to finish.
    var stopSignal = SIGTERM
    /// Who asked, by a signal.
    var asker: Asker?
    /// Somebody looks at a terminal, and may want to know what there is to wait for.
    var workersWaitedFor: Int?
    /// Of the generation that serves again after a revert: what is not as it was when it was made.
    var changedFiles: [String] = []
}

extension Report {
    func record(_ context: ReportContext) -> LogRecord {
        switch self {
        case .worker(let report): report.record(context)
        case .roll(let report): report.record(context)
        case .recycle(let report): report.record(context)
        case .pool(let report): report.record(context)
        }
    }

    /// Some worker has begun or ceased to serve.
    var changesWhoServes: Bool {
        switch self {
        case .worker(let report): report.changesWhoServes
        case .pool(.scaled): true
        case .roll, .recycle, .pool: false
        }
    }

    /// Why the worker failed that the report is about.
    var failure: FailureReason? { failed?.reason }

    /// The worker that the report is about, if it is about one.
    var worker: WorkerID? {
        if case .worker(let report) = self { report.id } else { failed?.id }
    }

    private var failed: (id: WorkerID, reason: FailureReason)? {
        switch self {
        case .worker(let report): if case .failed(let reason) = report.what { (report.id, reason) } else { nil }
        case .roll(.failed(_, _, _, let id, let reason, _)): (id, reason)
        case .recycle(let report): if case .failed(_, let id, let reason) = report.what { (id, reason) } else { nil }
        case .roll, .pool: nil
        }
    }
}

extension WorkerReport {
    fileprivate func record(_ context: ReportContext) -> LogRecord {
        switch what {
        case .ready(let after):
            record(.info, "worker_ready", "worker is ready", context, [("after", .duration(after))])
        case .draining(let reason):
            record(.info, "worker_draining", "worker drains: \(reason.words)", context)
        case .killed(let reason):
            record(.warning, "worker_killed", "worker gets SIGKILL: \(reason.words)", context)
        case .exited(let status, let lived, let expected):
            record(
                expected ? .info : .warning, "worker_exited", status.words(expected, context), context,
                status.fields + [("lived", .duration(lived))])
        case .failed(let reason):
            record(.error, "worker_failed", reason.words(context), context)
        case .leftoversEnding(let time):
            record(
                .info, "leftovers",
                "the worker has left \(context.leftWords): \(signalWord(context.stopSignal)) now, SIGKILL in "
                    + "\(LogFormatter.seconds(time))s",
                context, context.leftFields)
        case .leftoversKilled(let reason):
            record(
                .warning, "leftovers_killed",
                "the worker has left \(context.leftWords): SIGKILL: \(reason.words)",
                context, context.leftFields)
        case .memoryLimitTooLow(let age, let delay, let times):
            record(
                .warning, "memory_limit_too_low",
                tooLowWords(age, delay, times), context, [("delay", .duration(delay)), ("times", .number(times))])
        }
    }

    private func record(
        _ level: LogRecord.Level, _ event: String, _ message: String, _ context: ReportContext,
        _ more: [(key: String, value: LogRecord.Value)] = []
    ) -> LogRecord {
        .worker(level, event, message, slot, generation, context, more)
    }

    fileprivate var changesWhoServes: Bool {
        switch what {
        case .ready, .draining, .killed, .exited: true
        case .failed, .leftoversEnding, .leftoversKilled, .memoryLimitTooLow: false
        }
    }
}

extension RollReport {
    fileprivate func record(_ context: ReportContext) -> LogRecord {
        switch self {
        case .began(let target, let base, let workers):
            LogRecord(
                .info, "reload_began",
                target == base
                    ? "rollback: generation \(base) goes on serving"
                    : "\(target > base ? "reload" : "rollback"): generation \(target) replaces generation \(base)",
                [("generation", .number(target)), ("base", .number(base)), ("workers", .number(workers))])
        case .slotReplaced(let slot, let generation, let replaced, let workers):
            LogRecord(
                .info, "slot_replaced", "\(servingWords(replaced, of: workers)) generation \(generation)",
                [("slot", .number(slot)), ("generation", .number(generation))])
        case .canaryWaits(let target, let replaced, let workers, let time):
            LogRecord(
                .info, "canary_waits",
                "\(servingWords(replaced, of: workers)) generation \(target) on trial: promote lets the reload go on"
                    + (time.map { ", as it will by itself in \(LogFormatter.seconds($0))s" } ?? "")
                    + ", rollback takes it back",
                [("generation", .number(target)), ("replaced", .number(replaced)), ("workers", .number(workers))])
        case .promoted(let target, let after):
            LogRecord(
                .info, "promoted", "generation \(target) is promoted: the reload goes on",
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
                "reload failed, generation \(base) goes on serving: slot \(slot): \(reason.words(context))",
                [
                    ("generation", .number(target)), ("base", .number(base)), ("slot", .number(slot)),
                    ("to_revert", .number(toRevert)),
                ])
        case .timedOut(let target, let base, let after, let toRevert):
            LogRecord(
                .error, "reload_timed_out",
                "reload not done in time, generation \(base) goes on serving",
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
    fileprivate func record(_ context: ReportContext) -> LogRecord {
        switch what {
        case .began(let generation):
            LogRecord(
                reason == .watchdog ? .warning : .info, "recycle_began",
                "worker is to be replaced by a new one: \(reason.words)",
                [("slot", .number(slot)), ("generation", .number(generation))])
        case .done(let generation, let took):
            LogRecord(
                .info, "recycle_done", "slot is served by a new worker",
                [("slot", .number(slot)), ("generation", .number(generation)), ("took", .duration(took))])
        case .failed(let generation, _, let failure):
            LogRecord(
                .error, "recycle_failed",
                "replacing the worker failed (\(reason.words)): \(failure.words(context))",
                [("slot", .number(slot)), ("generation", .number(generation))])
        case .abandoned:
            LogRecord(
                .info, "recycle_abandoned", "replacing the worker is given up: the pool changes",
                [("slot", .number(slot))])
        }
    }
}

extension PoolReport {
    fileprivate func record(_ context: ReportContext) -> LogRecord {
        switch self {
        case .ready(let workers, let after):
            LogRecord(
                .info, "pool_ready", "all workers are ready",
                [("workers", .number(workers)), ("after", .duration(after))])
        case .backoffBegan(let slot, let delay, let failures):
            LogRecord(
                .warning, "backoff", "slot waits before its next start",
                [("slot", .number(slot)), ("delay", .duration(delay)), ("failures", .number(failures))])
        case .paused: LogRecord(.info, "paused", "the pool is paused: reloads wait for resume")
        case .resumed: LogRecord(.info, "resumed", "reloads go on")
        case .refused(let refusal): LogRecord(.warning, "refused", refusal.words)
        case .scaled(let from, let to):
            LogRecord(
                .info, "scaled", "\(counted(to, "worker")) instead of \(from)",
                [("from", .number(from)), ("workers", .number(to))])
        case .drainingAll:
            LogRecord(
                .warning, "draining_all",
                "all workers drain\(context.asker.map { ", as \($0.words) asked" } ?? ""): listeners stay open; the next "
                    + "reload starts workers again", context.by)
        case .stopping(let mode):
            LogRecord(.info, "stopping", mode.words(context.workersWaitedFor), context.by)
        case .gaveUp(let failures, let period):
            LogRecord(
                .error, "gave_up", "too many failures, giving up (--give-up)",
                [("failures", .number(failures)), ("within", .duration(period))])
        }
    }
}

/// After a revert, which brings back what is pinned and nothing else.
func servesAgain(_ base: Int, changed: [String]) -> String {
    let again = "every slot serves generation \(base) again"
    if changed.isEmpty { return again }
    let files = changed.map { printable($0) }.joined(separator: ", ")
    return again + ", but with \(files) as changed since (releases belong in directories of their own)"
}

private func tooLowWords(_ age: Duration, _ delay: Duration, _ times: Int) -> String {
    let before = times == 1 ? "the one before it" : "\(times) before it"
    return
        "worker took more than --max-memory within \(LogFormatter.seconds(age))s of being ready, as \(before) did: the "
        + "limit is too low if it needs that from its start; it stays for another \(LogFormatter.seconds(delay))s"
}

/// `1 of 4 slots serve`.
private func servingWords(_ replaced: Int, of workers: Int) -> String {
    "\(replaced) of \(counted(workers, "slot")) \(workers == 1 ? "serves" : "serve")"
}

extension LogRecord {
    /// A record about one worker.
    static func worker(
        _ level: Level, _ event: String, _ message: String, _ slot: Int, _ generation: Int, _ context: ReportContext,
        _ more: [(key: String, value: Value)] = []
    ) -> LogRecord {
        var fields: [(key: String, value: Value)] = [("slot", .number(slot)), ("generation", .number(generation))]
        if let pid = context.pid { fields.append(("pid", .number(Int(pid)))) }
        fields += more
        if level != .info, let status = context.status { fields.append(("status", .text(status))) }
        return LogRecord(level, event, message, fields)
    }
}

extension ReportContext {
    /// `2 processes`.
    fileprivate var leftWords: String { left.count == 1 ? "1 process" : "\(left.count) processes" }

    fileprivate var leftFields: [(key: String, value: LogRecord.Value)] {
        let shown = left.prefix(Self.leftShown).map { "\($0)" }.joined(separator: ",")
        return [("left", .number(left.count)), ("pids", .text(shown))]
    }

    private static let leftShown = 8

    fileprivate var by: [(key: String, value: LogRecord.Value)] {
        asker?.pid.map { [("by", .number(Int($0)))] } ?? []
    }
}

extension StopMode {
    fileprivate func words(_ workers: Int?) -> String {
        switch (self, workers) {
        case (.fast, _): "stopping at once"
        case (.graceful, nil), (.graceful, 0): "stopping: workers drain"
        case (.graceful, let workers?):
            "stopping; waits for \(workers) \(workers == 1 ? "worker" : "workers") (again to end them at once)"
        }
    }
}

extension DrainReason {
    var words: String {
        switch self {
        case .replaced: "its replacement serves"
        case .abandoned: "it was a replacement that is not wanted any more"
        case .retired: "its slot is gone"
        case .stopped: "the pool stops"
        case .startTimedOut: "it was not ready in time"
        case .byItself: "it says that it ends"
        }
    }
}

extension RecycleReason {
    var words: String {
        switch self {
        case .age: "it is old (--max-age)"
        case .memory: "it takes too much memory (--max-memory)"
        case .watchdog: "it is silent (--watchdog)"
        case .asked: "somebody asked"
        }
    }
}

extension Refusal {
    var words: String {
        switch self {
        case .noCanaryWaits: "promote refused: no canary waits"
        case .notKept(let generation): "rollback refused: generation \(generation) is not kept"
        case .nothingToRollBackTo: "rollback refused: no earlier generation is kept"
        case .noSuchSlot(let slot): "restart refused: there is no slot \(slot)"
        case .rollUnderWay(let slot):
            "restart of slot \(slot) refused: a reload is under way, and may replace its worker"
        case .drained: "refused: all workers are drained, and only a reload starts workers again"
        }
    }
}

extension KillReason {
    var words: String {
        switch self {
        case .stopTimedOut: "it did not end within the stop timeout"
        case .fastStop: "fast stop"
        case .watchdog: "it was silent for the watchdog's time"
        case .withWorker: "the worker was killed"
        }
    }
}

extension FailureReason {
    /// The worker has not come as far as to serve: what it said first is part of the story.
    var isOfStart: Bool {
        switch self {
        case .spawnFailed, .exitedBeforeReady, .readyTimedOut, .exitedInSoak, .endedAsCanary: true
        case .silent, .crashed: false
        }
    }

    func words(_ context: ReportContext) -> String {
        switch self {
        case .spawnFailed:
            context.spawnFailure ?? "cannot start worker"
        case .exitedBeforeReady(let status):
            "worker \(status.words(context)) before it was ready" + background(status, context)
                + (context.portTrouble.map { ": \($0)" } ?? "")
        case .readyTimedOut(let timeout) where context.isReadyByListening && context.usesRing:
            "worker was not ready within \(LogFormatter.seconds(timeout))s: it uses io_uring, by which bind and listen cannot "
                + "be seen, so its ports are not shared; let it do without (Node: UV_USE_IO_URING=0), or pass listeners with "
                + "--listen"
        case .readyTimedOut(let timeout):
            context.stoppedBy.map {
                "worker was not ready within \(LogFormatter.seconds(timeout))s: it is stopped by \(signalWord($0)), until it "
                    + "gets SIGCONT"
            } ?? "worker was not ready within \(LogFormatter.seconds(timeout))s: it "
                + (context.isReadyByListening ? "listened on no port and " : "")
                + "sent no READY=1 (to descriptor READY_FD or to NOTIFY_SOCKET); for a program that cannot, use --ready 2s: "
                + "ready when it has lived that long"
        case .exitedInSoak(let status):
            "worker \(status.words(context)) during its soak" + background(status, context)
        case .silent(let time): "worker was silent for \(LogFormatter.seconds(time))s (--watchdog)"
        case .endedAsCanary: "worker says that it ends, on trial"
        case .crashed(let status):
            "worker \(status.words(context)) unasked" + background(status, context)
        }
    }

    /// The program has most likely made a daemon of itself: its first process ends at once, and well.
    private func background(_ status: ExitStatus, _ context: ReportContext) -> String {
        guard status == .exited(code: 0), !context.left.isEmpty else { return "" }
        return
            ", and left \(context.leftWords): a program that puts itself into the background must be told to stay in the "
            + "foreground (nginx: daemon off; others: --foreground, -F, -D, --no-daemon), a script to run it by exec"
    }
}

extension ExitStatus {
    /// `exited with status 3`, `was killed by signal 9 (Killed)`.
    var words: String {
        switch self {
        case .exited(let code): "exited with status \(code)"
        case .signaled(let signal, let coreDumped):
            "was killed by signal \(signal) (\(Self.name(signal)))" + (coreDumped ? ", core dumped" : "")
        }
    }

    fileprivate func words(_ context: ReportContext) -> String {
        words + (context.wasOutOfMemory ? ", out of memory," : "")
    }

    /// What the log says of a worker's end. The stop signal is how most programs end that are asked to.
    fileprivate func words(_ isExpected: Bool, _ context: ReportContext) -> String {
        let stopSignal = context.stopSignal
        switch self {
        case .signaled(stopSignal, _) where isExpected:
            return "worker has ended by \(signalWord(stopSignal)), as it was asked to"
        case .exited, .signaled: return "worker \(words(context))" + (isExpected ? "" : " unasked")
        }
    }

    var fields: [(key: String, value: LogRecord.Value)] {
        switch self {
        case .exited(let code): [("status_code", .number(Int(code)))]
        case .signaled(let signal, _): [("signal", .number(Int(signal)))]
        }
    }

    private static func name(_ signal: Int32) -> String {
        strsignal(signal).map { String(cString: $0) } ?? "unknown"
    }
}
