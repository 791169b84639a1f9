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
    /// nil without --cgroup.
    let group: WorkerGroup?
    var readyLines = LineSplitter()
    /// When the worker was sent SIGKILL, on the pool's clock.
    var killedAt: Instant?
    /// The worker was sent its stop signal.
    var isAsked = false
    /// The worker is no child of this daemon, which has taken it over.
    var isAdopted = false
    /// The worker has ended, and its parent has not reaped it; since when, on the monotonic clock. Only of one that was
    /// taken over.
    var unreapedSince: Instant?
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
        group = spawned.group
        readyPipe = Channel(spawned.readyPipe)
        notifyAddress = spawned.notifyAddress
        notifyFile = spawned.notifyFile
        notifySocket = Channel(spawned.notifySocket)
        self.output = WorkerOutput(slot: slot, pid: pid, generation: generation.number)
        output.begin(self.output, Channel(spawned.stdoutPipe), Channel(spawned.stderrPipe))
    }

    // MARK: for the daemon that comes next

    static func key(_ number: String) -> String { "worker/\(number)" }
    static func outputKey(_ number: String) -> String { "lines/\(number)" }

    struct State: Codable {
        let id: WorkerID
        let slot: Int
        let generation: Int
        let pid: Int32
        let exit: RowDescriptors.Place
        let readyPipe: RowDescriptors.Place?
        let notifySocket: RowDescriptors.Place
        let notifyAddress: String
        let notifyFile: NotifyFile.State?
        let startTicks: Int
        let calls: RowDescriptors.Place?
        let readyLines: LineSplitter
        let killedAt: Instant?
        let isAsked: Bool?
        let isAdopted: Bool?
        let usesRing: Bool
        let portTrouble: String?
        let status: String?
        let statusLinesTold: Int
        let told: Set<String>
        let stoppedBy: Int32?
        let wasOutOfMemory: Bool
        let left: Leftovers
        let hasEnded: Bool
        /// The path of its control group.
        let group: String?
    }

    /// The worker, and what it writes: the first changes rarely, the second with each line. The pidfd is the first
    /// descriptor of the first row.
    func rows(hasEnded: Bool, _ notifySockets: NotifyDirectory) throws(StateError) -> [StateRow] {
        var descriptors = RowDescriptors()
        let state = State(
            id: id, slot: slot, generation: generation.number, pid: pid, exit: descriptors.add(exit.number),
            readyPipe: descriptors.add(readyPipe?.number), notifySocket: descriptors.add(notifySocket.number),
            notifyAddress: notifyAddress, notifyFile: notifyFile.flatMap { notifySockets.state(of: $0) },
            startTicks: startTicks, calls: descriptors.add(calls?.number), readyLines: readyLines, killedAt: killedAt,
            isAsked: isAsked, isAdopted: isAdopted, usesRing: usesRing, portTrouble: portTrouble, status: status,
            statusLinesTold: statusLinesTold, told: told, stoppedBy: stoppedBy,
            wasOutOfMemory: wasOutOfMemory, left: left, hasEnded: hasEnded, group: group?.path)
        let row = try StateRow(Self.key("\(id.number)"), state, descriptors)
        descriptors = RowDescriptors()
        let output = output.state(&descriptors)
        return [row, try StateRow(Self.outputKey("\(id.number)"), output, descriptors)]
    }

    init(
        _ state: State, in rows: StateRows, generation: Generation, _ notifySockets: NotifyDirectory, _ output: Output
    ) throws(StateError) {
        let (key, outputKey) = (Self.key("\(state.id.number)"), Self.outputKey("\(state.id.number)"))
        func channel(_ place: RowDescriptors.Place) throws(StateError) -> Channel {
            Channel(try rows.descriptor(place, of: key, from: FileDescriptor.upperNumbers))
        }
        func optional(_ place: RowDescriptors.Place?) throws(StateError) -> Channel? {
            guard let place else { return nil }
            return try channel(place)
        }
        id = state.id
        slot = state.slot
        self.generation = generation
        pid = state.pid
        exit = try channel(state.exit)
        readyPipe = try optional(state.readyPipe)
        notifySocket = try channel(state.notifySocket)
        notifyAddress = state.notifyAddress
        if let file = state.notifyFile { notifyFile = try notifySockets.file(file) }
        startTicks = state.startTicks
        calls = try optional(state.calls)
        readyLines = state.readyLines
        killedAt = state.killedAt
        isAsked = state.isAsked ?? false
        isAdopted = state.isAdopted ?? false
        usesRing = state.usesRing
        portTrouble = state.portTrouble
        status = state.status
        statusLinesTold = max(0, state.statusLinesTold)
        told = state.told
        stoppedBy = state.stoppedBy
        wasOutOfMemory = state.wasOutOfMemory
        left = state.left
        group = state.group.flatMap { WorkerGroup(madeBefore: $0) }
        self.output = try output.restored(
            try rows.value(WorkerOutput.State.self, outputKey), of: outputKey, in: rows)
    }

    // MARK: its channels

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
