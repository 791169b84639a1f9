// How many more workers the memory of the daemon's control groups has room for: a roll that starts replacements beside
// the workers that they replace must not make the kernel kill one of them. The files are described in the kernel's
// admin-guide/cgroup-v2.rst (memory.max) and, for v1, in admin-guide/cgroup-v1/memory.rst (memory.limit_in_bytes).
internal import Reloader

struct MemoryRoom: Equatable {
    /// What the tightest of the daemon's control groups has left, with its file cache counted as free.
    let freeBytes: UInt64
    /// What the largest worker uses, at least 1.
    let workerBytes: UInt64

    /// How many more workers of that size fit.
    var workers: Int { Int(clamping: freeBytes / workerBytes) }

    /// Why a roll is refused that there is no room for.
    var refusal: String {
        "memory has no room for one more worker: \(Self.text(freeBytes)) of the control group's limit are free, and "
            + "the largest worker uses \(Self.text(workerBytes)) (raise the limit, scale the pool down, or give "
            + "--force, which replaces one worker at a time all the same)"
    }

    /// Nobody needs to know it to the byte.
    private static func text(_ bytes: UInt64) -> String {
        let unit: UInt64 = bytes < 10 << 20 ? 1 << 10 : 1 << 20
        return byteCountText(bytes / unit * unit)
    }

    /// Measures how much room there is. nil if no control group has a limit, or no worker runs, or there is room for
    /// another worker beside each of them.
    ///
    /// - Parameter measure: measures the processes of each worker, as far as that can be done in a moment.
    init?(
        beside workers: [WorkerProcess], _ gauge: MemoryGauge, _ buffer: UnsafeMutableRawBufferPointer,
        measure: ([WorkerID: [Int32]]) -> Void
    ) {
        guard let free = CgroupMemory().freeBytes else { return nil }
        let trees = workers.map { worker in
            let processes = ProcessTree.processes(of: worker.pid)
            return (id: worker.id, processes: processes, most: gauge.upperBound(processes, buffer))
        }
        guard let most = trees.map({ $0.most }).max(), most > 0 else { return nil }
        if free / most >= UInt64(workers.count) { return nil }
        measure(Dictionary(trees.map { ($0.id, $0.processes) }) { first, _ in first })
        // Where that took too long, what is shared counts for each process that has it.
        let largest = trees.map { tree in gauge.bytes(tree.id).map { min($0, tree.most) } ?? tree.most }.max()
        self.init(freeBytes: free, workerBytes: largest ?? 1)
    }

    init(freeBytes: UInt64, workerBytes: UInt64) {
        self.freeBytes = freeBytes
        self.workerBytes = max(1, workerBytes)
    }
}
