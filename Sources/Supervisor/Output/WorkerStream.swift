// A worker's standard output or standard error on its way out: from its pipe to a sink, in whole lines, with a tag or as
// they are.

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
    private let lookalikes: Lookalikes
    /// Unless its lines are tagged.
    private var whole: WholeLines
    private var tagged: TaggedLines?

    /// - Parameter tag: begins each line; nil: its bytes pass as they are, but for what looks like a record of `story`.
    init(_ kind: Kind, of worker: WorkerOutput, _ pipe: Channel, to sink: OutputSink, tag: String?, _ story: Story) {
        self.worker = worker
        self.kind = kind
        self.pipe = pipe
        self.sink = sink
        lookalikes = Lookalikes(kind, of: worker, story)
        whole = WholeLines(lookalikes)
        tagged = tag.map { TaggedLines(tag: $0) }
    }

    /// Gives the sink what may be passed on by now.
    ///
    /// - Parameter buffer: for lines that are changed.
    func pass(_ bytes: UnsafeRawBufferPointer, _ buffer: inout [UInt8]) {
        guard tagged != nil else { return whole.feed(bytes, &buffer) { sink.relay($0) } }
        var lines: [UInt8] = []
        tagged?.feed(bytes, into: &lines)
        lines.withUnsafeBytes { lookalikes.pass($0, &buffer) { sink.relay($0) } }
    }

    /// Nothing more comes.
    func finish() {
        var buffer: [UInt8] = []
        whole.finish(&buffer) { sink.relay($0) }
        var rest: [UInt8] = []
        tagged?.finish(into: &rest)
        rest.withUnsafeBytes { lookalikes.pass($0, &buffer) { sink.relay($0) } }
        if case .file = sink.destination { sink.endLine() }
    }
}
