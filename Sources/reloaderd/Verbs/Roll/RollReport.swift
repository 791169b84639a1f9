// How a roll went, for people and scripts.
import Supervisor

struct RollReport {
    let line: String
    /// About the worker that failed.
    let details: [String]
    let notes: [String]
    let exitStatus: Int32

    init(_ result: RollResult, verb: String) {
        let generation = result.generation.map { "generation \($0)" } ?? "the generation"
        let time = result.seconds.map { " after \(secondsText($0))" } ?? ""
        let reason = result.reason.map { ": \(terminalText($0))" } ?? ""
        details = Self.details(result)
        notes = result.notes.map { "note: \(terminalText($0))" }
        switch result.outcome {
        case .done where verb == "restart":
            line = "restarted\(time)"
            exitStatus = 0
        case .done, nil:
            line = "\(generation) serves\(time)"
            exitStatus = 0
        case .begun:
            line = (verb == "restart" ? "restart has begun" : "\(generation) has begun") + reason
            exitStatus = 0
        case .failed:
            line = "\(verb) failed\(time)\(reason)"
            exitStatus = ExitStatus.failed
        case .refused:
            line = "\(verb) refused\(reason)"
            exitStatus = ExitStatus.failed
        case .superseded:
            line = "\(verb) superseded\(time)\(reason)"
            exitStatus = ExitStatus.superseded
        case .timedOut:
            line = "\(verb) timed out\(time)\(reason)"
            exitStatus = ExitStatus.timedOut
        case .stopped:
            line = "\(verb) cut short\(time)\(reason)"
            exitStatus = ExitStatus.stopped
        }
    }

    private static func details(_ result: RollResult) -> [String] {
        var details: [String] = []
        if let status = result.exitStatus {
            details.append("the worker's exit status was \(status)")
        } else if let signal = result.signal {
            details.append("the worker was ended by SIG\(printable(signal))")
        }
        details += quoted(result.errorLines, "standard error") + quoted(result.outputLines, "standard output")
        return details
    }

    private static func quoted(_ lines: [String], _ stream: String) -> [String] {
        if lines.isEmpty { return [] }
        return ["its last lines on \(stream):"] + lines.map { "  | \(terminalText($0))" }
    }
}
