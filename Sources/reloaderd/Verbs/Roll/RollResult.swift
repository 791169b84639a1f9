// How a roll went, as the daemon tells it.
import Supervisor

struct RollResult: Answer {
    enum Outcome: String {
        case begun
        case done
        case failed
        case superseded
        case timedOut = "timed_out"
        case stopped
        case refused
    }

    /// nil where a verb has started no roll.
    let outcome: Outcome?
    let generation: Int?
    let seconds: Double?
    let reason: String?
    /// How the worker ended that made it fail: one of the two, where it has ended.
    let exitStatus: Int?
    /// `SEGV`.
    let signal: String?
    /// What that worker said on standard error, and on standard output.
    let errorLines: [String]
    let outputLines: [String]
    /// What people should know of what serves now.
    let notes: [String]

    init(_ json: JSON) throws(AnswerError) {
        if let name = json["outcome"]?.text {
            guard let outcome = Outcome(rawValue: name) else { throw AnswerError(member: "outcome") }
            self.outcome = outcome
        } else {
            outcome = nil
        }
        generation = json["generation"]?.whole
        seconds = json["took_s"]?.decimal
        reason = json["reason"]?.text
        exitStatus = json["exit_status"]?.whole
        signal = json["signal"]?.text ?? json["signal"]?.whole.flatMap { Int32(exactly: $0) }.map(signalName)
        errorLines = json.texts("stderr")
        outputLines = json.texts("stdout")
        notes = json.texts("notes")
    }
}
