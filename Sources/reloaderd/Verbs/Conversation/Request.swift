// What is sent to the daemon: man 7 reloaderd-control.
import Supervisor

/// A verb with its arguments. What is nil is not sent: the daemon knows the defaults.
struct Request {
    /// The version of the protocol.
    static let version = 1

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
    /// Of a reload: what people call it.
    var note: String?
    /// Of a rollback: whatever has changed.
    var force: Bool?

    init(verb: String) { self.verb = verb }

    var json: JSON {
        let members: [(String, JSON?)] = [
            ("v", .integer(Self.version)), ("verb", .string(verb)), ("wait", wait.map(JSON.bool)),
            ("canary", canary.map(JSON.integer)), ("canary_time_s", canaryTimeSeconds.map(JSON.number)),
            ("surge", surge.map(JSON.integer)), ("soak_s", soakSeconds.map(JSON.number)),
            ("timeout_s", timeoutSeconds.map(JSON.number)), ("max_failures", maxFailures.map(JSON.integer)),
            ("arguments", arguments.map { .array($0.map(JSON.string)) }), ("limit", limit.map(JSON.integer)),
            ("follow", follow.map(JSON.bool)), ("slot", slot.map(JSON.integer)), ("to", to.map(JSON.integer)),
            ("by", by.map(JSON.integer)), ("fast", fast.map(JSON.bool)), ("generation", generation.map(JSON.integer)),
            ("note", note.map(JSON.string)), ("force", force.map(JSON.bool)),
        ]
        return .object(members.compactMap { name, value in value.map { JSON.Member(name, $0) } })
    }
}
