// What is kept of a worker that is gone: who it was, and what it said last.

struct EndedWorker {
    let slot: Int
    let pid: Int32
    let generation: Int
    let lastLines: LastLines

    init(_ worker: WorkerProcess) {
        slot = worker.slot
        pid = worker.pid
        generation = worker.generation.number
        lastLines = worker.lastLines
    }
}
