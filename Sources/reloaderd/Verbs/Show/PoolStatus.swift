// The daemon's answer to `status`.
import Supervisor

struct PoolStatus: Answer {
    let pool: Pool
    let roll: Roll?
    /// nil: there was none yet.
    let lastReload: Reload?
    let generations: [Generation]
    let listeners: [Listener]
    let slots: [Slot]
    /// Processes of workers that are gone.
    let left: [LeftProcess]

    init(_ json: JSON) throws(AnswerError) {
        guard let pool: Pool = try json.optional("pool") else { throw AnswerError(member: "pool") }
        self.pool = pool
        roll = try json.optional("roll")
        lastReload = try json.optional("last_reload")
        generations = try json.list("generations")
        listeners = try json.list("listeners")
        slots = try json.list("slots")
        left = json["left"] == nil ? [] : try json.list("left")
    }

    struct Pool: Answer {
        let name: String
        let pid: Int
        let startedAt: String
        let program: String
        let arguments: [String]
        let workers: Int
        /// Slots whose worker serves; nil: an older daemon does not say.
        let ready: Int?
        let phase: String
        let failing: Failing?
        /// The generation that slots go back to.
        let generation: Int
        let newest: Int
        let version: String

        init(_ json: JSON) throws(AnswerError) {
            name = try json.text("name")
            pid = try json.whole("pid")
            startedAt = try json.text("started_at")
            program = try json.text("program")
            arguments = json.texts("arguments")
            workers = try json.whole("workers")
            ready = json["ready"]?.whole
            phase = try json.text("phase")
            failing = try json.optional("failing")
            generation = try json.whole("generation")
            newest = try json.whole("newest")
            version = try json.text("version")
        }
    }

    /// Slots whose workers fail, and that none serves.
    struct Failing: Answer {
        let slots: Int
        /// Of the last failure.
        let reason: String?

        init(_ json: JSON) throws(AnswerError) {
            slots = try json.whole("slots")
            reason = json["reason"]?.text
        }
    }

    struct Roll: Answer {
        let target: Int
        let base: Int
        let isRevert: Bool
        let replaced: Int
        let workers: Int
        let seconds: Double
        let waitingFor: String?

        init(_ json: JSON) throws(AnswerError) {
            target = try json.whole("target")
            base = try json.whole("base")
            isRevert = json["direction"]?.text == "revert"
            replaced = try json.whole("replaced")
            workers = try json.whole("workers")
            seconds = try json.seconds("since_s")
            waitingFor = json["waiting_for"]?.text
        }
    }

    struct Reload: Answer {
        let generation: Int
        let outcome: String
        let seconds: Double?
        let reason: String?

        init(_ json: JSON) throws(AnswerError) {
            generation = try json.whole("generation")
            outcome = try json.text("outcome")
            seconds = json["took_s"]?.decimal
            reason = json["reason"]?.text
        }
    }

    struct Generation: Answer {
        let number: Int
        let executable: String
        let workingDirectory: String
        let madeAt: String
        let state: String
        let note: String?
        /// Files that its arguments name, and that are not what they were when it was made.
        let changedFiles: [String]

        init(_ json: JSON) throws(AnswerError) {
            number = try json.whole("number")
            executable = try json.text("executable")
            workingDirectory = try json.text("working_directory")
            madeAt = try json.text("made_at")
            state = try json.text("state")
            note = json["note"]?.text
            changedFiles = json.texts("changed_files")
        }
    }

    struct Listener: Answer {
        let address: String
        let name: String?
        /// Connections that wait; nil: not known for this kind.
        let queue: Int?
        /// `listen`: opened by the daemon, `shared`: by workers, through it, `own`: by workers, without it.
        let kind: String?
        /// How many of them have it.
        let workers: Int?

        init(_ json: JSON) throws(AnswerError) {
            address = try json.text("address")
            name = json["name"]?.text
            queue = json["queue"]?.whole
            kind = json["kind"]?.text
            workers = json["workers"]?.whole
        }
    }

    struct LeftProcess: Answer {
        let slot: Int
        let pid: Int
        let command: String?
        /// nil: it has been.
        let killSeconds: Double?

        init(_ json: JSON) throws(AnswerError) {
            slot = try json.whole("slot")
            pid = try json.whole("pid")
            command = json["command"]?.text
            killSeconds = json["kill_in_s"]?.decimal
        }
    }

    struct Slot: Answer {
        let slot: Int
        let generation: Int?
        /// In a row.
        let failures: Int
        /// What is left of the delay.
        let backoffSeconds: Double?
        let lastFailure: String?
        let workers: [WorkerStatus]

        init(_ json: JSON) throws(AnswerError) {
            slot = try json.whole("slot")
            generation = json["generation"]?.whole
            failures = json["failures"]?.whole ?? 0
            backoffSeconds = json["backoff_s"]?.decimal
            lastFailure = json["last_failure"]?.text
            workers = try json.list("workers")
        }
    }
}
