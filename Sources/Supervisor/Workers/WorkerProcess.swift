// One worker as the runtime sees it: a process, and the channels on which it is heard.
internal import Reloader

/// Lives from the spawn until the exit has been told to the core, and nothing is left of what it has started. Owns the
/// worker's descriptors.
final class WorkerProcess {
    /// How many changes of its status the log tells of.
    static let statusLinesMax = 32

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
    /// What it writes, as far as that passes through the daemon and has not ended.
    var streams: [WorkerStream] = []
    /// Its calls of bind(2) and listen(2); nil where its ports are its own.
    let calls: Channel?
    var readyLines = LineSplitter()
    var lines = KeptLines()
    /// When it was sent SIGKILL, on the pool's clock.
    var killedAt: Instant?
    /// It has set up an io_uring(7), as was seen when it was late.
    var usesRing = false
    /// A port that it was refused, and who has that.
    var portTrouble: String?
    /// Its last STATUS=.
    var status: String?
    var statusLinesTold = 0
    /// The signal by which it is stopped (state T); nil: it runs.
    var stoppedBy: Int32?
    /// The kernel has killed it for want of memory.
    var wasOutOfMemory = false
    /// Of one that has ended.
    var left = Leftovers()

    init(_ spawned: consuming Spawner.Spawned, id: WorkerID, slot: Int, generation: Generation, roads: OutputRoads) {
        self.id = id
        self.slot = slot
        self.generation = generation
        pid = spawned.pid
        exit = Channel(spawned.exit)
        readyPipe = Channel(spawned.readyPipe)
        notifyAddress = spawned.notifyAddress
        startTicks = spawned.startTicks
        notifySocket = Channel(spawned.notifySocket)
        let output = Channel(spawned.stdoutPipe)
        let errors = Channel(spawned.stderrPipe)
        calls = Channel(spawned.calls)
        addStream(.standardOutput, output, to: roads.standardOutput, roads)
        addStream(.standardError, errors, to: roads.standardError, roads)
    }

    private func addStream(_ kind: WorkerStream.Kind, _ pipe: Channel?, to sink: OutputSink?, _ roads: OutputRoads) {
        guard let pipe, let sink else { return }
        streams.append(WorkerStream(kind, of: id, pipe, to: sink, tag: roads.tag(slot: slot, pid: pid)))
    }

    var channels: [Channel] { [exit, readyPipe, notifySocket, calls].compactMap { $0 } + streams.map { $0.pipe } }
}
