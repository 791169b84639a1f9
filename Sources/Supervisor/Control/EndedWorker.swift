// What is kept of a worker that is gone: who it was, and what it said last.

struct EndedWorker {
    let slot: Int
    let pid: Int32
    let generation: Int
    let lines: KeptLines

    init(_ worker: WorkerProcess) {
        slot = worker.slot
        pid = worker.pid
        generation = worker.generation.number
        lines = worker.lines
    }
}
