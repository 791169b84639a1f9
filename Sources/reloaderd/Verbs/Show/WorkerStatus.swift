// One worker in the daemon's answer to `status`. What could not be found out is nil.
import Supervisor

struct WorkerStatus: Answer {
    /// In this daemon, for ever.
    let id: Int?
    let pid: Int
    let generation: Int
    let state: String
    /// In this state.
    let seconds: Double
    /// Since it was started.
    let age: Double?
    let restarts: Int?
    let memoryBytes: Int?
    let cpuSeconds: Double?
    let connections: Int?
    let queue: Int?
    let drain: Drain?
    /// What it says of itself.
    let status: String?

    init(_ json: JSON) throws(AnswerError) {
        id = json["id"]?.whole
        pid = try json.whole("pid")
        generation = try json.whole("generation")
        state = try json.text("state")
        seconds = try json.seconds("since_s")
        age = json["age_s"]?.decimal
        restarts = json["restarts"]?.whole
        memoryBytes = json["memory_bytes"]?.whole
        cpuSeconds = json["cpu_s"]?.decimal
        connections = json["connections"]?.whole
        queue = json["queue"]?.whole
        drain = try json.optional("drain")
        status = json["status"]?.text
    }

    /// What a worker that drains still has.
    struct Drain: Answer {
        let connections: Int?
        let queue: Int?
        /// Since it began.
        let seconds: Double?
        /// Some of the connections.
        let holders: [Holder]

        init(_ json: JSON) throws(AnswerError) {
            connections = json["connections"]?.whole
            queue = json["queue"]?.whole
            seconds = json["oldest_s"]?.decimal
            holders = json["held_by"] == nil ? [] : try json.list("held_by")
        }

        struct Holder: Answer {
            let peer: String
            /// In this drain.
            let seconds: Double
            let why: String

            init(_ json: JSON) throws(AnswerError) {
                peer = try json.text("peer")
                seconds = try json.seconds("age_s")
                why = try json.text("why")
            }
        }
    }
}
