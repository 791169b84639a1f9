// The verbs that the daemon does at once: scale, pause, resume; and stop, which ends it.
import Supervisor

private struct ScaleResult: Answer {
    let workers: Int

    init(_ json: JSON) throws(AnswerError) { workers = try json.whole("workers") }
}

func scalePool(_ call: Call) throws(VerbError) -> Int32 {
    let workers = try Conversation(call).answer().decoded(as: ScaleResult.self).workers
    return printOut(counted(workers, "worker") + "\n")
}

func changePool(_ call: Call, saying done: String) throws(VerbError) -> Int32 {
    _ = try Conversation(call).answer()
    return printOut("\(done)\n")
}

/// The end of a daemon that ends is the end of its connections.
func stopDaemon(_ call: Call) throws(VerbError) -> Int32 {
    var call = call
    let waits = call.request.wait ?? true
    call.request.wait = waits
    call.request.fast = call.request.fast ?? false
    let conversation = try Conversation(call)
    guard waits else {
        _ = try conversation.answer()
        return printOut("stopping\n")
    }
    Interruption.explain(call)
    while case .line(let line) = try conversation.connection.next(until: nil) {
        let message = try Message(line, from: conversation.connection.path)
        if message.kind == .error { throw message.refusal }
    }
    return printOut("stopped\n")
}
