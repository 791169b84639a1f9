// The daemon's answer to `history`.
import Supervisor

struct History: Answer {
    let entries: [Entry]

    init(_ json: JSON) throws(AnswerError) { entries = try json.list("entries") }

    struct Entry: Answer {
        /// nil: the reload was refused.
        let generation: Int?
        /// `start`, `reload`, `rollback`; nil: an older daemon did not say.
        let what: String?
        let workingDirectory: String?
        let note: String?
        let changedFiles: [String]
        let askedAt: String
        let by: Asker?
        let executable: Executable?
        /// nil while it goes on; so is the outcome.
        let seconds: Double?
        let outcome: String?
        let reason: String?

        init(_ json: JSON) throws(AnswerError) {
            generation = json["generation"]?.whole
            what = json["what"]?.text
            workingDirectory = json["working_directory"]?.text
            note = json["note"]?.text
            changedFiles = json.texts("changed_files")
            askedAt = try json.text("asked_at")
            by = try json.optional("by")
            executable = try json.optional("executable")
            seconds = json["took_s"]?.decimal
            outcome = json["outcome"]?.text
            reason = json["reason"]?.text
        }
    }

    /// A client of the control socket, or the sender of a signal.
    struct Asker: Answer {
        let userID: Int?
        let pid: Int?
        let command: String?
        let signal: String?

        init(_ json: JSON) throws(AnswerError) {
            userID = json["uid"]?.whole
            pid = json["pid"]?.whole
            command = json["command"]?.text
            signal = json["signal"]?.text
        }
    }

    struct Executable: Answer {
        let path: String
        let inode: Int?
        let modifiedAt: String?

        init(_ json: JSON) throws(AnswerError) {
            path = try json.text("path")
            inode = json["inode"]?.whole
            modifiedAt = json["mtime"]?.text
        }
    }
}
