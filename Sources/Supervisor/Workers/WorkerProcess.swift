// One worker as the runtime sees it: a process, and the channels on which it is heard.
internal import Reloader

/// Lives from the spawn until the exit has been told to the core, and nothing is left of what it has started. Owns the
/// worker's descriptors.
final class WorkerProcess {
    /// How many changes of its status the log tells of.
    private static let statusLinesMax = 32

    let id: WorkerID
    let slot: Int
    /// Kept until the worker is gone, though the core may have let go of it.
    let generation: Generation
    let pid: Int32
    /// Readable when the process has ended; the only way by which it is signalled.
    let exit: Channel
    /// nil once its end is reached.
    var readyPipe: Channel?
    let notifySocket: Channel
    /// Like that of no other process.
    let notifyAddress: String
    /// When it was started, as the kernel counts; see `ProcessStatus`.
    let startTicks: Int
    /// What it writes, and what is kept of it.
    let output: WorkerOutput
    /// Its calls of bind(2) and listen(2); nil where its ports are its own.
    let calls: Channel?
    var readyLines = LineSplitter()
    /// When it was sent SIGKILL, on the pool's clock.
    var killedAt: Instant?
    /// It has set up an io_uring(7), as was seen when it was late.
    var usesRing = false
    /// A port that it was refused, and who has that.
    var portTrouble: String?
    /// Its last STATUS=.
    private(set) var status: String?
    private var statusLinesTold = 0
    private var told: Set<String> = []
    /// The signal by which it is stopped (state T); nil: it runs.
    var stoppedBy: Int32?
    /// The kernel has killed it for want of memory.
    var wasOutOfMemory = false
    /// Of one that has ended.
    var left = Leftovers()

    init(_ spawned: consuming Spawner.Spawned, id: WorkerID, slot: Int, generation: Generation, _ output: Output) {
        self.id = id
        self.slot = slot
        self.generation = generation
        pid = spawned.pid
        exit = Channel(spawned.exit)
        readyPipe = Channel(spawned.readyPipe)
        notifyAddress = spawned.notifyAddress
        startTicks = spawned.startTicks
        notifySocket = Channel(spawned.notifySocket)
        calls = Channel(spawned.calls)
        self.output = WorkerOutput(slot: slot, pid: pid, generation: generation.number)
        output.begin(self.output, Channel(spawned.stdoutPipe), Channel(spawned.stderrPipe))
    }

    var channels: [Channel] {
        [exit, readyPipe, notifySocket, calls].compactMap { $0 } + output.streams.map { $0.pipe }
    }

    /// Keeps the text. Returns true if the log is to tell of it: boot progress is news; what a serving worker says of itself may
    /// come with each request, and is kept for status.
    func takeStatus(_ text: String) -> Bool {
        if text == status { return false }
        status = text
        guard statusLinesTold < Self.statusLinesMax else { return false }
        statusLinesTold += 1
        return true
    }

    /// Returns true the first time: for what a program may do again and again.
    func isNews(_ event: String) -> Bool { told.insert(event).inserted }

    // MARK: for the log

    /// What a report about it says of the process.
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

    /// Something could not be done to it.
    func record(of error: SystemError, _ what: String) -> LogRecord {
        .worker(.error, "system_error", "\(what): \(error)", slot, generation.number, ReportContext(pid: pid))
    }
}
