// How a roll went, as the daemon tells it.

struct RollResult: Decodable {
    enum Outcome: String, Decodable {
        case begun
        case done
        case failed
        case superseded
        case timedOut = "timed_out"
        case refused
    }

    /// Missing where a verb has started no roll.
    var outcome: Outcome?
    var generation: Int?
    var seconds: Double?
    var reason: String?
    /// How the worker ended that made it fail: one of the two, where it has ended.
    var exitStatus: Int32?
    var signal: Signal?
    /// What that worker said last.
    var lastLines: [String]?

    enum CodingKeys: String, CodingKey {
        case outcome, generation, reason, signal
        case seconds = "took_s"
        case exitStatus = "exit_status"
        case lastLines = "stderr"
    }

    /// By name or by number.
    enum Signal: Decodable {
        case name(String)
        case number(Int32)

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Int32.self) {
                self = .number(number)
            } else {
                self = .name(try container.decode(String.self))
            }
        }
    }
}
