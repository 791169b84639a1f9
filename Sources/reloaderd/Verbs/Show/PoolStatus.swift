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
        let phase: String
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
            phase = try json.text("phase")
            generation = try json.whole("generation")
            newest = try json.whole("newest")
            version = try json.text("version")
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

        init(_ json: JSON) throws(AnswerError) {
            number = try json.whole("number")
            executable = try json.text("executable")
            workingDirectory = try json.text("working_directory")
            madeAt = try json.text("made_at")
            state = try json.text("state")
        }
    }

    struct Listener: Answer {
        let address: String
        let name: String?
        /// Connections that wait; nil: not known for this kind.
        let queue: Int?

        init(_ json: JSON) throws(AnswerError) {
            address = try json.text("address")
            name = json["name"]?.text
            queue = json["queue"]?.whole
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
        let workers: [WorkerStatus]

        init(_ json: JSON) throws(AnswerError) {
            slot = try json.whole("slot")
            generation = json["generation"]?.whole
            failures = json["failures"]?.whole ?? 0
            backoffSeconds = json["backoff_s"]?.decimal
            workers = try json.list("workers")
        }
    }
}
