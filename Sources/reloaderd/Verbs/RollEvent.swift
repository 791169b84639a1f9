// What happens during a roll, as the daemon tells those who wait for it.

struct RollEvent: Decodable {
    /// As in the log: `reload_began`, `slot_replaced`, …
    var event: String
    var generation: Int?
    /// Slots that the new generation serves, out of how many.
    var replaced: Int?
    var workers: Int?
    /// For people.
    var message: String?

    enum CodingKeys: String, CodingKey {
        case event, generation, replaced, workers
        case message = "msg"
    }

    /// Only moves the bar on.
    var isProgress: Bool { event == "reload_began" || event == "slot_replaced" }
}
