// What one worker writes: its two streams on their way out, and the lines of them that are kept.
internal import Glibc

/// Belongs to one worker; what is kept of its words may outlive it.
final class WorkerOutput {
    let slot: Int
    let pid: Int32
    let generation: Int
    /// Those that pass through the daemon and have not ended.
    private(set) var streams: [WorkerStream] = []
    private(set) var lines = KeptLines()

    init(slot: Int, pid: Int32, generation: Int) {
        self.slot = slot
        self.pid = pid
        self.generation = generation
    }

    func add(_ stream: WorkerStream) { streams.append(stream) }

    func remove(_ stream: WorkerStream) { streams.removeAll { $0 === stream } }

    /// Takes what was read, and returns how many whole lines were kept of it, or a larger number.
    func keep(
        _ bytes: UnsafeRawBufferPointer, of stream: WorkerStream.Kind, at time: timespec, number: Int
    ) -> Int { lines.append(bytes, to: stream, at: time, number) }
}
