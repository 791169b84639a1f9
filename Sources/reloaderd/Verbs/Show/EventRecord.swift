// One line of the daemon's log, as its log in JSON has it.
import Supervisor

struct EventRecord: Answer {
    let time: String
    let level: String
    let event: String
    let slot: Int?
    let generation: Int?
    let pid: Int?
    let message: String

    init(_ json: JSON) throws(AnswerError) {
        time = try json.text("time")
        level = try json.text("level")
        event = try json.text("event")
        slot = json["slot"]?.whole
        generation = json["generation"]?.whole
        pid = json["pid"]?.whole
        message = try json.text("msg")
    }
}
