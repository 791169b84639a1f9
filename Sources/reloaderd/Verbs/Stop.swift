// `stop`: ends the daemon and its workers.
import Supervisor

extension Verb {
    static let stop = Verb(
        "stop", "end the daemon and its workers", options: [fast] + VerbOptions.waiting,
        explanation: "Asks all workers to finish, and ends the daemon when they have.",
        run: stopDaemon)

    private static let fast = VerbOption("fast", .verb, "kill the workers instead") {
        (_, call) throws(ConfigurationError) in call.request.fast = true
    }
}

/// A daemon that ends closes its connections, which tells that it has ended.
private func stopDaemon(_ call: Call) throws(VerbError) -> Int32 {
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
