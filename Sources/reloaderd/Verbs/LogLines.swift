// The daemon's answer to `logs`; with `follow` each line comes as an event.

struct LogLines: Decodable {
    struct Line: Decodable {
        var slot: Int
        var pid: Int32
        var generation: Int
        /// The worker has not ended.
        var alive: Bool?
        var line: String
    }

    var lines: [Line]?
}
