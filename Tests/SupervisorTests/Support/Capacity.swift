// How many workers were ready when, told from the records of the log alone.

enum Capacity {
    /// The least number of ready workers between two records, both included.
    static func least(in log: [LogLine], from first: LogLine, to last: LogLine) -> Int {
        var ready: Set<Int32> = []
        var isBetween = false
        var least = Int.max
        for record in log {
            if let pid = record.pid {
                switch record.event {
                case "worker_ready": ready.insert(pid)
                case "worker_draining", "worker_killed", "worker_exited": ready.remove(pid)
                default: break
                }
            }
            if record.text == first.text { isBetween = true }
            if isBetween { least = min(least, ready.count) }
            if record.text == last.text { break }
        }
        return least
    }

    /// Workers that are ready at the end of the log, with their generations.
    static func ready(in log: [LogLine]) -> [Int32: Int] {
        var ready: [Int32: Int] = [:]
        for record in log {
            guard let pid = record.pid else { continue }
            switch record.event {
            case "worker_ready": ready[pid] = record.generation
            case "worker_draining", "worker_killed", "worker_exited": ready[pid] = nil
            default: break
            }
        }
        return ready
    }
}
