// The daemon's answer to `status`, as the verbs `status` and `list` read it.
import Supervisor

struct VerbStatus: Answer {
    let pool: Pool
    let roll: Roll?
    /// nil if there was none yet.
    let lastReload: Reload?
    let generations: [Generation]
    let listeners: [Listener]
    let slots: [Slot]
    /// Processes that workers left behind when they ended.
    let left: [LeftProcess]

    init(_ json: JSON) throws(AnswerError) {
        guard let pool: Pool = try json.optional("pool") else { throw AnswerError(member: "pool") }
        self.pool = pool
        roll = try json.optional("roll")
        lastReload = try json.optional("last_reload")
        generations = try json.list("generations")
        listeners = try json.list("listeners")
        slots = try json.list("slots")
        left = try json.listIfAny("left")
    }

    struct Pool: Answer {
        let name: String
        let pid: Int
        let startedAt: String
        let program: String
        let arguments: [String]
        let workers: Int
        /// Slots whose worker serves; nil if the daemon is older and does not say.
        let ready: Int?
        /// A `PoolPhase`, or a word that only a newer daemon knows.
        let phase: String
        let failing: Failing?
        /// The settled generation, to which a roll that fails goes back.
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

    /// Slots whose workers fail, so that nothing serves there.
    struct Failing: Answer {
        let slots: Int
        /// Why the last worker failed.
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
        /// Files that its arguments name and that were changed since it was made.
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
        /// Connections that wait to be accepted; nil if that is unknown for this kind.
        let queue: Int?
        /// nil if the daemon is older, or newer and has another kind.
        let kind: PortKind?
        /// How many workers listen on it.
        let workers: Int?

        init(_ json: JSON) throws(AnswerError) {
            address = try json.text("address")
            name = json["name"]?.text
            queue = json["queue"]?.whole
            kind = json["kind"]?.text.flatMap(PortKind.init)
            workers = json["workers"]?.whole
        }
    }

    struct LeftProcess: Answer {
        let slot: Int
        let pid: Int
        let command: String?
        /// Seconds until SIGKILL; nil if it was sent.
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
        /// Failures in a row.
        let failures: Int
        /// Seconds until the next start.
        let backoffSeconds: Double?
        let lastFailure: String?
        let workers: [Worker]

        init(_ json: JSON) throws(AnswerError) {
            slot = try json.whole("slot")
            generation = json["generation"]?.whole
            failures = json["failures"]?.whole ?? 0
            backoffSeconds = json["backoff_s"]?.decimal
            lastFailure = json["last_failure"]?.text
            workers = try json.list("workers")
        }
    }

    /// One worker. What could not be measured is nil.
    struct Worker: Answer {
        /// Unique in the daemon's life.
        let id: Int?
        let pid: Int
        let generation: Int
        let state: String
        /// How long it has been in this state.
        let seconds: Double
        /// Seconds since its start.
        let age: Double?
        let restarts: Int?
        let memoryBytes: Int?
        let cpuSeconds: Double?
        let connections: Int?
        let queue: Int?
        let drain: Drain?
        /// The status text that it sent.
        let status: String?

        init(_ json: JSON) throws(AnswerError) {
            id = json["id"]?.whole
            pid = try json.whole("pid")
            generation = try json.whole("generation")
            state = try json.text("state")
            seconds = try json.seconds("since_s")
            age = json["age_s"]?.decimal
            restarts = json["restarts"]?.whole
            memoryBytes = json["memory_bytes"]?.whole
            cpuSeconds = json["cpu_s"]?.decimal
            connections = json["connections"]?.whole
            queue = json["queue"]?.whole
            drain = try json.optional("drain")
            status = json["status"]?.text
        }

        /// What still keeps a worker that drains.
        struct Drain: Answer {
            let connections: Int?
            let queue: Int?
            /// Seconds since the drain started.
            let seconds: Double?
            /// Some of the connections that it waits for.
            let holders: [Holder]

            init(_ json: JSON) throws(AnswerError) {
                connections = json["connections"]?.whole
                queue = json["queue"]?.whole
                seconds = json["oldest_s"]?.decimal
                holders = try json.listIfAny("held_by")
            }

            struct Holder: Answer {
                let peer: String
                /// How long the drain has waited for it.
                let seconds: Double
                let why: String

                init(_ json: JSON) throws(AnswerError) {
                    peer = try json.text("peer")
                    seconds = try json.seconds("age_s")
                    why = try json.text("why")
                }
            }
        }
    }
}
