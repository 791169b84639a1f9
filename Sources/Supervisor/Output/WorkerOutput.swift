// The output of one worker: its two streams on their way to a sink, the lines of them that are kept, and one such line
// as `logs` shows it.
internal import Glibc

/// Belongs to one worker, but may outlive it: the last words of a worker that has ended are kept.
final class WorkerOutput {
    let slot: Int
    let pid: Int32
    let generation: Int
    /// The streams that pass through the daemon and have not ended.
    private(set) var streams: [WorkerStream] = []
    private(set) var lines = KeptLines()

    init(slot: Int, pid: Int32, generation: Int) {
        self.slot = slot
        self.pid = pid
        self.generation = generation
    }

    // MARK: for the daemon that comes next

    struct State: Codable {
        let slot: Int
        let pid: Int32
        let generation: Int
        let streams: [WorkerStream.State]
        let lines: KeptLines
    }

    func state(_ descriptors: inout RowDescriptors) -> State {
        let streams = streams.map { $0.state(&descriptors) }
        return State(slot: slot, pid: pid, generation: generation, streams: streams, lines: lines)
    }

    /// Without its streams.
    init(_ state: State) throws(StateError) {
        guard state.lines.isSound else { throw .malformed("the lines of pid \(state.pid)") }
        slot = state.slot
        pid = state.pid
        generation = state.generation
        lines = state.lines
    }

    // MARK: its streams

    func add(_ stream: WorkerStream) { streams.append(stream) }

    func remove(_ stream: WorkerStream) { streams.removeAll { $0 === stream } }

    /// Takes the bytes of one read, and returns how many whole lines of them were kept, or a larger number.
    func keep(
        _ bytes: UnsafeRawBufferPointer, of stream: WorkerStream.Kind, at time: timespec, number: Int
    ) -> Int { lines.append(bytes, to: stream, at: time, number) }
}

/// A worker's standard output or standard error on its way out: from its pipe to a sink, in whole lines, with a tag or
/// unchanged.
final class WorkerStream {
    enum Kind: String, CaseIterable, Codable {
        case standardOutput
        case standardError

        /// The name in the log and on the control socket.
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
    private let lookalikes: Lookalikes
    /// Used unless the lines are tagged.
    private var whole: WholeLines
    private var tagged: TaggedLines?

    /// - Parameter tag: the text at the beginning of each line; nil if the bytes are passed on unchanged, but for what
    ///   looks like a record of `story`.
    init(_ kind: Kind, of worker: WorkerOutput, _ pipe: Channel, to sink: OutputSink, tag: String?, _ story: Story) {
        self.worker = worker
        self.kind = kind
        self.pipe = pipe
        self.sink = sink
        lookalikes = Lookalikes(kind, of: worker, story)
        whole = WholeLines(lookalikes)
        tagged = tag.map { TaggedLines(tag: $0) }
    }

    // MARK: for the daemon that comes next

    struct State: Codable {
        let kind: Kind
        let pipe: RowDescriptors.Place
        /// What is held back of an unfinished line.
        let held: [UInt8]
        let isTagged: Bool
    }

    func state(_ descriptors: inout RowDescriptors) -> State {
        State(
            kind: kind, pipe: descriptors.add(pipe.number), held: tagged?.heldBytes ?? whole.heldBytes,
            isTagged: tagged != nil)
    }

    init(
        _ state: State, of worker: WorkerOutput, _ pipe: consuming FileDescriptor, to sink: OutputSink, _ story: Story
    ) {
        self.worker = worker
        kind = state.kind
        self.pipe = Channel(pipe)
        self.sink = sink
        lookalikes = Lookalikes(state.kind, of: worker, story)
        whole = WholeLines(lookalikes, held: state.isTagged ? [] : state.held)
        if state.isTagged {
            tagged = TaggedLines(tag: OutputRoutes.tag(slot: worker.slot, pid: worker.pid), held: state.held)
        }
    }

    // MARK: on its way

    /// Passes on to the sink what is complete by now.
    ///
    /// - Parameter buffer: scratch space for lines that are changed.
    func pass(_ bytes: UnsafeRawBufferPointer, _ buffer: inout [UInt8]) {
        guard tagged != nil else { return whole.feed(bytes, &buffer) { sink.relay($0) } }
        var lines: [UInt8] = []
        tagged?.feed(bytes, into: &lines)
        lines.withUnsafeBytes { lookalikes.pass($0, &buffer) { sink.relay($0) } }
    }

    /// Passes on the rest, because the stream has ended.
    func finish() {
        var buffer: [UInt8] = []
        whole.finish(&buffer) { sink.relay($0) }
        var rest: [UInt8] = []
        tagged?.finish(into: &rest)
        rest.withUnsafeBytes { lookalikes.pass($0, &buffer) { sink.relay($0) } }
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
            .init("slot", .integer(worker.slot)), .init("pid", .integer(Int(worker.pid))),
            .init("generation", .integer(worker.generation)),
            .init("alive", .bool(isAlive)), .init("time", .string(LogFormatter.timestamp(line.time))),
            .init("stream", .string(line.stream.name)), .init("line", .string(line.text)),
        ]
    }
}
