// One line of a worker, as `logs` shows it.

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
