// What happens during a roll, as the daemon tells those who wait for it.
import Supervisor

struct RollEvent: Answer {
    /// As in the log: `reload_began`, `slot_replaced`, …
    let event: String
    let generation: Int?
    /// Slots that the new generation serves, out of how many.
    let replaced: Int?
    let workers: Int?
    /// For people.
    let message: String?

    init(_ json: JSON) throws(AnswerError) {
        event = try json.text("event")
        generation = json["generation"]?.whole
        replaced = json["replaced"]?.whole
        workers = json["workers"]?.whole
        message = json["msg"]?.text
    }

    /// Only moves the bar on.
    var isProgress: Bool { event == "reload_began" || event == "slot_replaced" }
}
