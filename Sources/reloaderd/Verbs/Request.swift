// What is sent to the daemon: man 7 reloaderd-control.

/// A verb with its arguments. What is nil is not sent: the daemon knows the defaults.
struct Request: Encodable {
    /// The version of the protocol.
    private let version = 1
    let verb: String
    var wait: Bool?
    /// Slots to replace before a reload waits for `promote`.
    var canary: Int?
    var canaryTimeSeconds: Double?
    var surge: Int?
    var soakSeconds: Double?
    var timeoutSeconds: Double?
    var maxFailures: Int?
    /// Instead of the program's arguments.
    var arguments: [String]?
    var limit: Int?
    var follow: Bool?
    var slot: Int?
    /// How many slots, or how many more or fewer.
    var to: Int?
    var by: Int?
    var fast: Bool?
    var generation: Int?

    enum CodingKeys: String, CodingKey {
        case version = "v"
        case verb, wait, canary, surge, arguments, limit, follow, slot, to, by, fast, generation
        case canaryTimeSeconds = "canary_time_s"
        case soakSeconds = "soak_s"
        case timeoutSeconds = "timeout_s"
        case maxFailures = "max_failures"
    }

    init(verb: String) { self.verb = verb }
}
