// A worker's standard output or standard error on its way out: from its pipe to a sink, in whole lines, with a tag or
// as they are.
internal import Reloader

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

    let worker: WorkerID
    let kind: Kind
    let pipe: Channel
    let sink: OutputSink
    /// Unless its lines are tagged.
    private var whole = WholeLines()
    private var tagged: TaggedLines?

    /// - Parameter tag: begins each line; nil: its bytes pass as they are.
    init(_ kind: Kind, of worker: WorkerID, _ pipe: Channel, to sink: OutputSink, tag: String?) {
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
