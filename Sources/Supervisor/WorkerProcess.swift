// One worker as the runtime sees it: a process, and the channels on which it is heard.
internal import Reloader

/// Lives from the spawn until the exit has been told to the core. Owns the worker's descriptors.
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
    /// nil with `--output inherit`, and once its end is reached.
    var stderrPipe: Channel?
    /// Its calls of bind(2) and listen(2); nil where its ports are its own.
    let calls: Channel?
    /// Its connections were taken from it, all of them.
    var wasEmptied = false
    var readyLines = LineSplitter()
    var lastLines = LastLines()
    /// When it was sent SIGKILL, on the pool's clock.
    var killedAt: Instant?
    /// Its last STATUS=.
    var status: String?
    var statusLinesTold = 0

    init(_ spawned: consuming Spawner.Spawned, id: WorkerID, slot: Int, generation: Generation) {
        self.id = id
        self.slot = slot
        self.generation = generation
        pid = spawned.pid
        exit = Channel(spawned.exit)
        readyPipe = Channel(spawned.readyPipe)
        notifySocket = Channel(spawned.notifySocket)
        switch consume spawned.stderrPipe {
        case .some(let pipe): stderrPipe = Channel(pipe)
        case .none: stderrPipe = nil
        }
        switch consume spawned.calls {
        case .some(let descriptor): calls = Channel(descriptor)
        case .none: calls = nil
        }
    }

    var channels: [Channel] { [exit, readyPipe, notifySocket, stderrPipe, calls].compactMap { $0 } }
}
