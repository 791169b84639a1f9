// How much of a CPU each worker takes: since it was started, or, when it is looked at again and again, since the last look.

struct CPUShare {
    private struct Sample {
        let age: Double
        let cpuSeconds: Double
    }

    private var last: [Int: Sample] = [:]

    /// Percent of one CPU; nil: not known.
    func percent(_ worker: WorkerStatus) -> Double? {
        guard let age = worker.age, let used = worker.cpuSeconds else { return nil }
        let before = worker.id.flatMap { last[$0] } ?? Sample(age: 0, cpuSeconds: 0)
        // A process of its that has ended takes its time with it.
        guard age > before.age, used >= before.cpuSeconds else { return age > 0 ? 100 * used / age : nil }
        return 100 * (used - before.cpuSeconds) / (age - before.age)
    }

    /// Makes `status` the last look.
    mutating func look(_ status: PoolStatus) {
        last = [:]
        for worker in status.slots.flatMap({ $0.workers }) {
            if let id = worker.id, let age = worker.age, let used = worker.cpuSeconds {
                last[id] = Sample(age: age, cpuSeconds: used)
            }
        }
    }
}
