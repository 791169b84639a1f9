// One worker as the runtime sees it: a process, and the channels on which the daemon hears from it.
internal import Reloader

/// Lives from the spawn until the core has been told of the exit and nothing is left of what the worker has started.
/// Owns the worker's descriptors.
final class WorkerProcess {
    /// How many changes of the worker's status are logged.
    private static let statusLinesMax = 32

    let id: WorkerID
    let slot: Int
    /// Kept until the worker is gone, even if the core has let go of it.
    let generation: Generation
    let pid: Int32
    /// The pidfd: readable when the process has ended, and the only way by which it is signalled.
    let exit: Channel
    /// nil once the worker has closed its end.
    var readyPipe: Channel?
    let notifySocket: Channel
    /// Unique to this worker.
    let notifyAddress: String
    private var notifyFile: NotifyFile?
    /// When the process was started, in the kernel's clock ticks; see `ProcessStatus`.
    let startTicks: Int
    /// What the worker writes, and the lines of it that are kept.
    let output: WorkerOutput
    /// The channel on which the worker's calls of bind(2) and listen(2) arrive; nil if workers don't share ports.
    let calls: Channel?
    var readyLines = LineSplitter()
    /// When the worker was sent SIGKILL, on the pool's clock.
    var killedAt: Instant?
    /// The worker has set up an io_uring(7). Looked for only when the worker is late.
    var usesRing = false
    /// What is known, in words, about a port that the worker was refused.
    private(set) var portTrouble: String?
    /// The worker's last STATUS=.
    private(set) var status: String?
    private var statusLinesTold = 0
    private var told: Set<String> = []
    /// The signal by which the process is stopped (state T); nil if it runs.
    var stoppedBy: Int32?
    /// The kernel has killed the worker because memory ran out.
    var wasOutOfMemory = false
    /// What the worker has left behind. Known once it has ended.
    var left = Leftovers()

    /// - Parameter startTicks: see `ProcessStatus`.
    init(
        _ spawned: consuming Spawner.Spawned, id: WorkerID, slot: Int, generation: Generation, startTicks: Int,
        _ output: Output
    ) {
        self.id = id
        self.slot = slot
        self.generation = generation
        self.startTicks = startTicks
        pid = spawned.process.pid
        exit = spawned.process.exit
        calls = Channel(spawned.process.takeCalls()?.moved())
        readyPipe = Channel(spawned.readyPipe)
        notifyAddress = spawned.notifyAddress
        notifyFile = spawned.notifyFile
        notifySocket = Channel(spawned.notifySocket)
        self.output = WorkerOutput(slot: slot, pid: pid, generation: generation.number)
        output.begin(self.output, Channel(spawned.stdoutPipe), Channel(spawned.stderrPipe))
    }

    var channels: [Channel] {
        [exit, readyPipe, notifySocket, calls].compactMap { $0 } + output.streams.map { $0.pipe }
    }

    /// Call it when nothing more is to be heard from the worker.
    func removeNotifyFile() { notifyFile = nil }

    /// Keeps the text. Returns true if it is to be logged: progress at the start is news, but a serving worker may
    /// report a status with each request, and that is only kept for `status`.
    func takeStatus(_ text: String) -> Bool {
        if text == status { return false }
        status = text
        guard statusLinesTold < Self.statusLinesMax else { return false }
        statusLinesTold += 1
        return true
    }

    /// Keeps what is known, in words, about a port that the worker was refused.
    func notePortTrouble(_ words: String) { portTrouble = words }

    /// Returns true only for the first event of this name: for what a program may do again and again.
    func isNews(_ event: String) -> Bool { told.insert(event).inserted }

    // MARK: for the log

    /// What a report about this worker says about the process.
    var context: ReportContext {
        var context = ReportContext(pid: pid, status: status, portTrouble: portTrouble, usesRing: usesRing)
        context.stoppedBy = stoppedBy
        context.wasOutOfMemory = wasOutOfMemory
        context.left = left.living.map { $0.pid }
        context.stopSignal = generation.stopSignal
        return context
    }

    func record(
        _ level: LogRecord.Level, _ event: String, _ message: String,
        _ fields: [(key: String, value: LogRecord.Value)] = []
    ) -> LogRecord {
        .worker(level, event, message, slot, generation.number, context, fields)
    }

    /// A record of something that could not be done to this worker.
    func record(of error: SystemError, _ what: String) -> LogRecord {
        .worker(.error, "system_error", "\(what): \(error)", slot, generation.number, ReportContext(pid: pid))
    }
}
