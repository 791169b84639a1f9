// What happens during a roll, as the daemon tells those who wait for it.
import Supervisor

struct RollEvent: Answer {
    /// As in the log: `reload_began`, `slot_replaced`, …
    let event: String
    let generation: Int?
    /// Slots that the new generation serves, out of how many.
    let replaced: Int?
    let workers: Int?
    /// In one line, harmless for a terminal.
    let text: String

    init(_ json: JSON) throws(AnswerError) {
        event = try json.text("event")
        generation = json["generation"]?.whole
        replaced = json["replaced"]?.whole
        workers = json["workers"]?.whole
        let message = terminalText(json["msg"]?.text ?? event)
        let slot = json["slot"]?.whole
        // What the daemon says of the reload names the slot itself.
        text = slot == nil || event.utf8.starts(with: "reload_".utf8) ? message : "slot \(slot ?? 0): \(message)"
    }

    /// Only moves the bar on.
    var isProgress: Bool { ["reload_began", "slot_replaced", "reload_done"].contains(event) }
}
