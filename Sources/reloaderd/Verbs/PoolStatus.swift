// The daemon's answer to `status`.

struct PoolStatus: Decodable {
    struct Pool: Decodable {
        var name: String
        var pid: Int32
        var startedAt: String
        var program: String
        var arguments: [String]
        var workers: Int
        var phase: String
        /// The generation that slots go back to.
        var generation: Int
        var newest: Int
        var version: String

        enum CodingKeys: String, CodingKey {
            case name, pid, program, arguments, workers, phase, generation, newest, version
            case startedAt = "started_at"
        }
    }

    struct Roll: Decodable {
        var target: Int
        var base: Int
        var direction: String
        var replaced: Int
        var workers: Int
        var seconds: Double
        var waitingFor: String?

        enum CodingKeys: String, CodingKey {
            case target, base, direction, replaced, workers
            case seconds = "since_s"
            case waitingFor = "waiting_for"
        }
    }

    struct Generation: Decodable {
        var number: Int
        var executable: String
        var workingDirectory: String
        var madeAt: String
        var state: String

        enum CodingKeys: String, CodingKey {
            case number, executable, state
            case workingDirectory = "working_directory"
            case madeAt = "made_at"
        }
    }

    struct Listener: Decodable {
        var address: String
        var name: String?
        var queue: Int?
    }

    struct Slot: Decodable {
        var slot: Int
        var generation: Int?
        var failures: Int
        var backoffSeconds: Double?
        var workers: [Worker]

        enum CodingKeys: String, CodingKey {
            case slot, generation, failures, workers
            case backoffSeconds = "backoff_s"
        }
    }

    struct Worker: Decodable {
        var pid: Int32
        var generation: Int
        var state: String
        var seconds: Double
        var restarts: Int?
        var memoryBytes: Int?
        var cpuSeconds: Double?
        var connections: Int?
        var queue: Int?
        var drain: Drain?
        /// What it says of itself.
        var status: String?

        enum CodingKeys: String, CodingKey {
            case pid, generation, state, restarts, connections, queue, drain, status
            case seconds = "since_s"
            case memoryBytes = "memory_bytes"
            case cpuSeconds = "cpu_s"
        }
    }

    /// What a worker that drains still has.
    struct Drain: Decodable {
        var connections: Int?
        var queue: Int?
        var oldestSeconds: Double?

        enum CodingKeys: String, CodingKey {
            case connections, queue
            case oldestSeconds = "oldest_s"
        }
    }

    var pool: Pool
    var roll: Roll?
    var generations: [Generation]
    var listeners: [Listener]
    var slots: [Slot]
}
