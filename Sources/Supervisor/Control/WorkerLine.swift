// One line of a worker, as `logs` shows it.

struct WorkerLine {
    let slot: Int
    let pid: Int32
    let generation: Int
    let isAlive: Bool
    let line: OutputLine

    init(_ worker: WorkerProcess, _ line: OutputLine) {
        slot = worker.slot
        pid = worker.pid
        generation = worker.generation.number
        isAlive = true
        self.line = line
    }

    init(_ worker: EndedWorker, _ line: OutputLine) {
        slot = worker.slot
        pid = worker.pid
        generation = worker.generation
        isAlive = false
        self.line = line
    }

    var json: JSON { .object(members) }
    var event: JSON { .object([.init("type", .word(MessageKind.event)), .init("event", "line")] + members) }

    private var members: [JSON.Member] {
        [
            .init("slot", .integer(slot)), .init("pid", .integer(Int(pid))), .init("generation", .integer(generation)),
            .init("alive", .bool(isAlive)), .init("time", .string(LogFormatter.timestamp(line.time))),
            .init("stream", .string(line.stream.name)), .init("line", .string(line.text)),
        ]
    }
}
