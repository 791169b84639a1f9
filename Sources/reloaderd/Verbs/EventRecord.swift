// One line of the daemon's log, as its log in JSON has it.

struct EventRecord: Decodable {
    var time: String
    var level: String
    var event: String
    var slot: Int?
    var generation: Int?
    var pid: Int32?
    var message: String

    enum CodingKeys: String, CodingKey {
        case time, level, event, slot, generation, pid
        case message = "msg"
    }
}
