// Why a roll failed: the worker that made it fail, how it ended, and what it said.
internal import Reloader

struct RollFailure {
    var reason: String
    /// nil: it has not ended, or was never there.
    var status: ExitStatus?
    /// What it wrote, as far as that is kept.
    private var lines: [OutputLine]
    /// The roll's own time was over.
    private(set) var isTimeout = false

    init(_ reason: FailureReason, _ context: ReportContext, slot: Int, lines: [OutputLine]) {
        self.reason = "slot \(slot): \(reason.words(context))"
        self.lines = lines
        switch reason {
        case .exitedBeforeReady(let status), .exitedInSoak(let status), .crashed(let status): self.status = status
        case .spawnFailed, .readyTimedOut, .silent, .endedAsCanary: status = nil
        }
    }

    /// No worker failed: the roll was not done in time.
    init(timedOutAfter time: Duration) {
        reason = "not done within \(LogFormatter.seconds(time))s"
        lines = []
        isTimeout = true
    }

    var members: [JSON.Member] {
        var members: [JSON.Member] = []
        switch status {
        case .exited(let code)?: members.append(.init("exit_status", .integer(Int(code))))
        case .signaled(let signal, _)?: members.append(.init("signal", .string(signalName(signal))))
        case nil: break
        }
        members.append(.init("stderr", texts(of: .standardError)))
        members.append(.init("stdout", texts(of: .standardOutput)))
        return members
    }

    private func texts(of stream: WorkerStream.Kind) -> JSON {
        .array(lines.filter { $0.stream == stream }.texts.map { .string($0) })
    }
}
