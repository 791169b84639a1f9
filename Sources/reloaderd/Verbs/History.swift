// The daemon's answer to `history`.

struct History: Decodable {
    struct Entry: Decodable {
        var generation: Int
        var askedAt: String
        var by: Asker
        var executable: Executable?
        /// Missing while it goes on; so is the outcome.
        var seconds: Double?
        var outcome: String?
        var reason: String?

        enum CodingKeys: String, CodingKey {
            case generation, by, executable, outcome, reason
            case askedAt = "asked_at"
            case seconds = "took_s"
        }
    }

    /// A client of the control socket, or the sender of a signal.
    struct Asker: Decodable {
        var userID: UInt32?
        var pid: Int32?
        var command: String?
        var signal: String?

        enum CodingKeys: String, CodingKey {
            case pid, command, signal
            case userID = "uid"
        }
    }

    struct Executable: Decodable {
        var path: String
        var inode: UInt64?
        var modifiedAt: String?

        enum CodingKeys: String, CodingKey {
            case path, inode
            case modifiedAt = "mtime"
        }
    }

    var entries: [Entry]
}
