// One worker as the runtime sees it: a process, and the channels on which it is heard.
internal import Reloader

/// Lives from the spawn until the exit has been told to the core. Owns the worker's descriptors.
final class WorkerProcess {
    let id: WorkerID
    let slot: Int
    let generation: Int
    let pid: Int32
    /// Readable when the process has ended; the only way by which it is signalled.
    let exit: Channel
    var readyPipe: Channel?
    var notifySocket: Channel?
    /// nil with `--output inherit`, and once its end is reached.
    var stderrPipe: Channel?
    var readyLines = LineSplitter()
    var lastLines = LastLines()
    /// Its last STATUS=.
    var status: String?

    init(id: WorkerID, slot: Int, generation: Int, pid: Int32, exit: Channel) {
        self.id = id
        self.slot = slot
        self.generation = generation
        self.pid = pid
        self.exit = exit
    }

    var channels: [Channel] { [exit, readyPipe, notifySocket, stderrPipe].compactMap { $0 } }
}
