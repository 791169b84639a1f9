// The daemon's answer to `logs`; with `follow` each line comes as an event.
import Supervisor

struct LogLines: Answer {
    let lines: [Line]
    /// Why there are none, where that is no accident.
    let note: String?

    init(_ json: JSON) throws(AnswerError) {
        lines = try json.list("lines")
        note = json["note"]?.text
    }

    struct Line: Answer {
        let slot: Int
        let pid: Int
        let generation: Int
        let hasEnded: Bool
        /// Empty where an older daemon does not say it.
        let time: String
        /// `stdout` or `stderr`.
        let stream: String
        let line: String

        init(_ json: JSON) throws(AnswerError) {
            slot = try json.whole("slot")
            pid = try json.whole("pid")
            generation = try json.whole("generation")
            hasEnded = json["alive"] == .bool(false)
            time = json["time"]?.text ?? ""
            stream = json["stream"]?.text ?? "stderr"
            line = try json.text("line")
        }
    }
}
