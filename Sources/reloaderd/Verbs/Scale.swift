// `scale`: changes the number of slots.
import Supervisor

extension Verb {
    static let scale = Verb(
        "scale", "more slots, or fewer", operand: count,
        explanation: "Makes the pool N slots large, or N larger (+N) or smaller (-N).",
        run: scalePool)

    /// A number with a sign is a difference.
    private static let count = Operand("N|+N|-N") { (text, call) throws(ConfigurationError) in
        let forms = "N, +N or -N with a number"
        let isLess = text.utf8.first == UInt8(ascii: "-")
        guard isLess || text.utf8.first == UInt8(ascii: "+") else {
            call.request.to = try wholeNumber(text, in: ControlLimits.workers, called: forms)
            return
        }
        let digits = String(text.utf8.dropFirst()) ?? ""
        let difference = try wholeNumber(digits, in: ControlLimits.workers, called: forms)
        call.request.by = isLess ? -difference : difference
    }
}

private struct ScaleResult: Answer {
    let workers: Int

    init(_ json: JSON) throws(AnswerError) { workers = try json.whole("workers") }
}

private func scalePool(_ call: Call) throws(VerbError) -> Int32 {
    let workers = try Conversation(call).answer().decoded(as: ScaleResult.self).workers
    return printOut(counted(workers, "worker") + "\n")
}
