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

/// A worker's standard output or standard error on its way out: from its pipe to a sink, in whole lines, with a tag or as
/// they are.
final class WorkerStream {
    enum Kind: CaseIterable {
        case standardOutput
        case standardError

        /// In the log and on the control socket.
        var name: String {
            switch self {
            case .standardOutput: "stdout"
            case .standardError: "stderr"
            }
        }
    }

    unowned let worker: WorkerOutput
    let kind: Kind
    let pipe: Channel
    let sink: OutputSink
    /// Unless its lines are tagged.
    private var whole = WholeLines()
    private var tagged: TaggedLines?

    /// - Parameter tag: begins each line; nil: its bytes pass as they are.
    init(_ kind: Kind, of worker: WorkerOutput, _ pipe: Channel, to sink: OutputSink, tag: String?) {
        self.worker = worker
        self.kind = kind
        self.pipe = pipe
        self.sink = sink
        tagged = tag.map { TaggedLines(tag: $0) }
    }

    /// Gives the sink what may be passed on by now.
    ///
    /// - Parameter buffer: for the lines.
    func pass(_ bytes: UnsafeRawBufferPointer, _ buffer: inout [UInt8]) {
        guard tagged != nil else { return whole.feed(bytes) { sink.relay($0) } }
        buffer.removeAll(keepingCapacity: true)
        tagged?.feed(bytes, into: &buffer)
        buffer.withUnsafeBytes { sink.relay($0) }
    }

    /// Nothing more comes.
    func finish() {
        whole.finish { sink.relay($0) }
        var rest: [UInt8] = []
        tagged?.finish(into: &rest)
        rest.withUnsafeBytes { sink.relay($0) }
        if case .file = sink.destination { sink.endLine() }
    }
}

/// One line of a worker, as `logs` shows it.
struct WorkerLine {
    let worker: WorkerOutput
    let line: OutputLine
    let isAlive: Bool

    init(_ worker: WorkerOutput, _ line: OutputLine, isAlive: Bool) {
        self.worker = worker
        self.line = line
        self.isAlive = isAlive
    }

    var json: JSON { .object(members) }
    var event: JSON { .object([.init("type", .word(MessageKind.event)), .init("event", "line")] + members) }

    private var members: [JSON.Member] {
        [
            .init("slot", .integer(worker.slot)), .init("pid", .integer(Int(worker.pid))), .init("generation", .integer(worker.generation)),
            .init("alive", .bool(isAlive)), .init("time", .string(LogFormatter.timestamp(line.time))),
            .init("stream", .string(line.stream.name)), .init("line", .string(line.text)),
        ]
    }
}
