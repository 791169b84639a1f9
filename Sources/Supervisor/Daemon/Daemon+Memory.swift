// --max-memory: what ready workers take can only be looked at, so time drives it; without the option nothing is armed.
internal import Reloader

extension Daemon {
    /// Between two looks at each worker: leaks are slower, and looking at large workers costs milliseconds each.
    private static let memoryPeriod = Duration.seconds(10)

    /// When to look next; nil: never, or not while no worker serves.
    func planMemoryLook() -> Instant? {
        if settings.maxMemory == nil || pool.totals.serving == 0 {
            memoryLookAt = nil
        } else if memoryLookAt == nil {
            memoryLookAt = MonotonicClock.now() + Self.memoryPeriod
        }
        return memoryLookAt
    }

    func lookAtMemory() {
        guard let limit = settings.maxMemory, let look = memoryLookAt, look <= MonotonicClock.now() else { return }
        memoryLookAt = nil
        for slot in pool.slots {
            guard let current = slot.current, current.state.isReady, current.recycleReason == nil,
                current.memoryAt == nil,
                let worker = workers[current.id], let bytes = memory(of: worker, above: limit)
            else { continue }
            tellOverMemory(worker, bytes, limit)
            handle(.overMemory(current.id))
        }
    }

    /// Where that is above the limit; the dear measure only where the cheap one may be.
    private func memory(of worker: WorkerProcess, above limit: UInt64) -> UInt64? {
        let processes = ProcessTree.processes(of: worker.pid)
        if memoryGauge.upperBound(processes, loop.buffer) <= limit { return nil }
        let bytes = memoryGauge.measure(worker.id, processes, loop.buffer)
        return bytes > limit ? bytes : nil
    }

    private func tellOverMemory(_ worker: WorkerProcess, _ bytes: UInt64, _ limit: UInt64) {
        story.tell(
            .worker(
                .warning, "worker_over_memory",
                "worker takes \(byteCountText(bytes)) of memory, more than --max-memory \(byteCountText(limit))",
                worker.slot, worker.generation.number, context(of: worker.id), [("memory", .number(Int(bytes)))]))
    }
}
