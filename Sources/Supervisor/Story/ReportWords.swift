// What the log says about the core's reports: each report becomes one record. This file has what all reports share, and
// the reports about single workers.
internal import Glibc
internal import Reloader

/// What the runtime knows about a report, and the core does not.
struct ReportContext {
    /// The worker's process; nil if it was never started.
    var pid: Int32?
    /// Why the worker has no process.
    var spawnFailure: String?
    /// The last status text of the worker.
    var status: String?
    /// Which port the worker was refused, and why.
    var portTrouble: String?
    /// The worker would have been ready as soon as it listened.
    var isReadyByListening = false
    /// The worker has set up an io_uring.
    var usesRing = false
    /// The signal that stopped (suspended) the worker.
    var stoppedBy: Int32?
    var wasOutOfMemory = false
    /// The processes that the worker started and that outlive it.
    var left: [Int32] = []
    /// The signal that asks the worker to finish.
    var stopSignal = SIGTERM
    /// The sender of the signal that asked for this.
    var askedBy: (words: String, pid: Int32?)?
    /// The number of workers that a stop waits for, if a person at a terminal may want to know it.
    var workersWaitedFor: Int?
    /// Once all workers are ready: the addresses on which they listen.
    var addresses: [String] = []
    /// After a revert: the files of the generation that serves again that are not as they were when it was made.
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

    /// A worker started or stopped serving.
    var changesWhoServes: Bool {
        switch self {
        case .worker(let report): report.changesWhoServes
        case .pool(.scaled): true
        case .roll, .recycle, .pool: false
        }
    }

    /// Why the report's worker failed; nil if the report is not about a failure.
    var failure: FailureReason? { failed?.reason }

    /// The worker that the report is about; nil if it is about none.
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
            record(.warning, "worker_killed", "killing the worker (SIGKILL): \(reason.words)", context)
        case .exited(let status, let lived, let expected):
            record(
                expected ? .info : .warning, "worker_exited", status.words(expected, context), context,
                status.fields + [("lived", .duration(lived))])
        case .failed(let reason):
            record(.error, "worker_failed", reason.words(context), context)
        case .leftoversEnding(let time):
            record(
                .info, "leftovers",
                "the worker left \(context.leftWords) behind: \(signalWord(context.stopSignal)) now, SIGKILL in "
                    + "\(LogFormatter.seconds(time))s",
                context, context.leftFields)
        case .leftoversKilled(let reason):
            record(
                .warning, "leftovers_killed",
                "killing the \(context.leftWords) that the worker left behind (SIGKILL): \(reason.words)",
                context, context.leftFields)
        case .memoryLimitTooLow(let age, let delay, let times):
            record(
                .warning, "memory_limit_too_low",
                tooLowWords(age, delay, times), context, [("delay", .duration(delay)), ("times", .number(times))])
        }
    }

    /// Makes a record about the report's worker.
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

private func tooLowWords(_ age: Duration, _ delay: Duration, _ times: Int) -> String {
    let before = times == 1 ? "the one before it" : "\(times) before it"
    return
        "worker exceeded --max-memory within \(LogFormatter.seconds(age))s of being ready, as \(before) did: the "
        + "limit is too low if it needs that much from its start; it stays for another \(LogFormatter.seconds(delay))s"
}

extension LogRecord {
    /// Makes a record about one worker.
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
    /// The number of leftover processes in words: `2 processes`.
    var leftWords: String { left.count == 1 ? "1 process" : "\(left.count) processes" }

    fileprivate var leftFields: [(key: String, value: LogRecord.Value)] {
        let shown = left.prefix(Self.leftShown).map { "\($0)" }.joined(separator: ",")
        return [("left", .number(left.count)), ("pids", .text(shown))]
    }

    /// The number of PIDs that a record names.
    private static let leftShown = 8

    /// The PID of the process that asked, as a field.
    var by: [(key: String, value: LogRecord.Value)] {
        askedBy?.pid.map { [("by", .number(Int($0)))] } ?? []
    }
}
