// `health`: for the probes of a container platform, which look at the exit status and show the line. It needs no
// network, and is cheap for the daemon however large the pool is.
import Supervisor

extension Verb {
    static let health = Verb(
        "health", "for liveness and readiness probes: exit status 0 or 1", options: [readyOption],
        explanation: """
            Ends with status 0 if the daemon answers. With --ready: if, besides, at least
            one worker serves and the pool is neither drained nor stopping. Otherwise it
            ends with status 1. It prints one line.
            """,
        run: checkHealth)

    private static let readyOption = VerbOption("ready", .verb, "whether a worker serves, too") {
        (_, call) throws(ConfigurationError) in call.asksForReadiness = true
    }
}

private struct Health: Answer {
    /// A `PoolPhase`, or a word that only a newer daemon knows.
    let phase: String
    let workers: Int
    /// Slots whose worker serves.
    let ready: Int

    init(_ json: JSON) throws(AnswerError) {
        phase = try json.text("phase")
        workers = try json.whole("workers")
        ready = try json.whole("ready")
    }

    /// New requests are answered, and go on to be.
    var isReady: Bool {
        switch PoolPhase(rawValue: phase) {
        case .drained, .stopping: false
        case .running, .paused, .failing, nil: ready > 0
        }
    }
}

private func checkHealth(_ call: Call) throws(VerbError) -> Int32 {
    let health: Health
    do throws(VerbError) { health = try Conversation(call).answer().decoded() } catch {
        // A probe knows two statuses; that several daemons are running is still a mistake of who asks.
        throw VerbError(error.message, error.exitStatus == ExitStatus.usage ? error.exitStatus : ExitStatus.failed)
    }
    let isHealthy = !call.asksForReadiness || health.isReady
    let word = call.asksForReadiness ? health.isReady ? "ready" : "not ready" : "alive"
    let slots = "\(health.ready) of \(counted(health.workers, "slot")) \(health.workers == 1 ? "serves" : "serve")"
    let result = printOut("\(word): \(slots), the pool is \(printable(health.phase))\n")
    return result == 0 && !isHealthy ? ExitStatus.failed : result
}
