// A worker's standard output or standard error on its way out: from its pipe to a sink, byte for byte or in whole lines.
internal import Reloader

final class WorkerStream {
    enum Kind {
        case standardOutput
        case standardError
    }

    let worker: WorkerID
    let kind: Kind
    let pipe: Channel
    let sink: OutputSink
    /// nil: byte for byte.
    var lines: WholeLines?

    init(_ kind: Kind, of worker: WorkerID, _ pipe: Channel, to sink: OutputSink, lines: WholeLines?) {
        self.worker = worker
        self.kind = kind
        self.pipe = pipe
        self.sink = sink
        self.lines = lines
    }
}
