// How the log words reasons: why a worker drains, is replaced, is killed or failed, and how its process ended.
internal import Glibc
internal import Reloader

extension DrainReason {
    var words: String {
        switch self {
        case .replaced: "its replacement serves"
        case .abandoned: "it was a replacement that is no longer needed"
        case .retired: "its slot was removed"
        case .stopped: "the pool is stopping"
        case .startTimedOut: "it was not ready in time"
        case .byItself: "it announced that it is stopping"
        }
    }
}

extension RecycleReason {
    var words: String {
        switch self {
        case .age: "it reached --max-age"
        case .memory: "it exceeds --max-memory"
        case .watchdog: "it is silent (--watchdog)"
        case .asked: "a restart was requested"
        }
    }
}

extension KillReason {
    var words: String {
        switch self {
        case .stopTimedOut: "it did not end within the stop timeout"
        case .fastStop: "fast stop"
        case .watchdog: "it was silent for the whole --watchdog time"
        case .withWorker: "the worker was killed"
        }
    }
}

extension FailureReason {
    /// The worker failed before it served for good, so that its first lines help to explain the failure.
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
            "worker \(status.words(context, " before it was ready"))" + background(status, context)
                + (context.portTrouble.map { ": \($0)" } ?? "")
        case .readyTimedOut(let timeout) where context.isReadyByListening && context.usesRing:
            "worker was not ready within \(LogFormatter.seconds(timeout))s: it uses io_uring, which hides bind "
                + "and listen, so its ports are not shared; "
                + "turn io_uring off (Node: UV_USE_IO_URING=0), or pass listeners with --listen"
        case .readyTimedOut(let timeout):
            context.stoppedBy.map {
                "worker was not ready within \(LogFormatter.seconds(timeout))s: it is stopped by \(signalWord($0)), "
                    + "until it gets SIGCONT"
            } ?? "worker was not ready within \(LogFormatter.seconds(timeout))s: it "
                + (context.isReadyByListening ? "listened on no port and " : "")
                + "sent no READY=1 (to descriptor READY_FD or to NOTIFY_SOCKET); "
                + "for a program that cannot, use --ready 2s: ready after running that long"
        case .exitedInSoak(let status):
            "worker \(status.words(context, " during its soak"))" + background(status, context)
        case .silent(let time): "worker was silent for \(LogFormatter.seconds(time))s (--watchdog)"
        case .endedAsCanary: "worker announced that it is stopping, while on trial"
        case .crashed(let status):
            "worker \(status.words(context, isUnexpected: true))" + background(status, context)
        }
    }

    /// A hint if the program most likely put itself into the background: its first process then ends at once, and
    /// successfully.
    private func background(_ status: ExitStatus, _ context: ReportContext) -> String {
        guard status == .exited(code: 0), !context.left.isEmpty else { return "" }
        return
            ", and left \(context.leftWords) behind: a program that puts itself into the background must be told to "
            + "stay in the foreground (nginx: daemon off; others: --foreground, -F, -D, --no-daemon), and a script "
            + "must start it with exec"
    }
}

extension ExitStatus {
    /// How the process ended: `exited with status 3`, `was killed by signal 9 (Killed)`.
    var words: String { words(adverb: "") }

    private func words(adverb: String) -> String {
        switch self {
        case .exited(let code): "exited \(adverb)with status \(code)"
        case .signaled(let signal, let coreDumped):
            "was \(adverb)killed by signal \(signal) (\(Self.name(signal)))" + (coreDumped ? ", core dumped" : "")
        case .unknown: "\(adverb)ended, and its exit status is not known"
        }
    }

    /// How a worker ended, with what the runtime knows about it, and then `when` that was.
    fileprivate func words(_ context: ReportContext, isUnexpected: Bool = false, _ when: String = "") -> String {
        let outOfMemory = context.wasOutOfMemory ? ", out of memory" + (when.isEmpty ? "" : ",") : ""
        return words(adverb: isUnexpected ? "unexpectedly " : "") + outOfMemory + when
    }

    /// What the log says about a worker's end. Most programs end by the stop signal when they are asked to stop.
    func words(_ isExpected: Bool, _ context: ReportContext) -> String {
        let stopSignal = context.stopSignal
        switch self {
        case .signaled(stopSignal, _) where isExpected:
            return "worker ended by \(signalWord(stopSignal)), as requested"
        case .exited, .signaled, .unknown: return "worker \(words(context, isUnexpected: !isExpected))"
        }
    }

    /// How the process ended, for programs.
    var fields: [(key: String, value: LogRecord.Value)] {
        switch self {
        case .exited(let code): [("status_code", .number(Int(code)))]
        case .signaled(let signal, _): [("signal", .number(Int(signal)))]
        case .unknown: []
        }
    }

    private static func name(_ signal: Int32) -> String {
        strsignal(signal).map { String(cString: $0) } ?? "unknown"
    }
}
