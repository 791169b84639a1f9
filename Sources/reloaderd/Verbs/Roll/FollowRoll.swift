// The verbs that start a roll, or the replacement of a worker: send, follow, say how it went, in words and exit status.
import Glibc
import Supervisor

/// `reload`, `rollback`, `restart`: waits unless told otherwise.
func followRoll(_ call: Call) throws(VerbError) -> Int32 {
    var call = call
    call.request.wait = call.request.wait ?? true
    let conversation = try Conversation(call)
    let answer = try waitForAnswer(call, conversation)
    return report(try answer.decoded(as: RollResult.self), of: call)
}

/// Whatever follows it is told to who asked for the roll; the answer is about the verb alone.
func promoteRoll(_ call: Call) throws(VerbError) -> Int32 {
    let result = try Conversation(call).answer().decoded(as: RollResult.self)
    if result.outcome != nil { return report(result, of: call) }
    return printOut("promoted\n")
}

private func waitForAnswer(_ call: Call, _ conversation: Conversation) throws(VerbError) -> Message {
    guard call.request.wait == true else { return try conversation.answer() }
    Interruption.explain(call)
    var progress = RollProgress()
    defer { progress.end() }
    // The daemon keeps the time limit; this one is for a daemon that is stopped.
    let limit = call.request.timeoutSeconds.map { Moment.now() + ($0 + Conversation.patienceSeconds) }
    while true {
        let message = try conversation.next(until: progress.deadline(atMost: limit)) {
            () throws(VerbError) -> Moment? in
            if let limit, limit <= Moment.now() {
                throw VerbError("no answer within the time limit: the daemon may be stopped", ExitStatus.timedOut)
            }
            progress.redraw()
            return progress.deadline(atMost: limit)
        }
        guard message.kind == .event else { return message }
        progress.show(try message.decoded(as: RollEvent.self))
    }
}

/// Says how it went: what is good on standard output, what is not on standard error.
private func report(_ result: RollResult, of call: Call) -> Int32 {
    let text = RollReport(result, verb: call.verb.name)
    if text.exitStatus == 0 { return printOut(([text.line] + text.notes).map { $0 + "\n" }.joined()) }
    let more = (text.details + text.notes).map { $0 + "\n" }.joined()
    writeAll("reloaderd: \(text.line)\n\(more)", to: STDERR_FILENO)
    return text.exitStatus
}
