// What is kept of workers that are gone, slot by slot: how often they have failed and why they failed last, and what
// the last one of each slot has said.
internal import Reloader

struct PastWorkers {
    /// Why a slot's worker has failed.
    struct Failure {
        /// In the words of the log.
        let reason: String
        let at: Instant
    }

    /// The last of each slot that has ended.
    private var ended: [Int: EndedWorker] = [:]
    private var counts: [Int: Int] = [:]
    private var lastFailures: [Int: Failure] = [:]

    // MARK: what happens

    mutating func failed(in slot: Int, _ reason: String) {
        counts[slot, default: 0] += 1
        lastFailures[slot] = Failure(reason: reason, at: MonotonicClock.now())
    }

    mutating func ended(_ worker: WorkerProcess) { ended[worker.slot] = EndedWorker(worker) }

    /// The slot is no more.
    mutating func forget(_ slot: Int) {
        ended[slot] = nil
        counts[slot] = nil
        lastFailures[slot] = nil
    }

    // MARK: what is known

    /// Since the daemon started, or the slot was added.
    func failures(in slot: Int) -> Int { counts[slot] ?? 0 }

    func lastFailure(in slot: Int) -> Failure? { lastFailures[slot] }

    /// - Parameter slot: nil: any.
    func workers(of slot: Int?) -> [EndedWorker] { ended.values.filter { slot == nil || slot == $0.slot } }
}

/// Who it was, and what it said last.
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
