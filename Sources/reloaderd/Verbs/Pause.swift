// `pause` and `resume`: hold reloads, and let them continue.
import Supervisor

extension Verb {
    static let pause = Verb(
        "pause", "hold reloads where they are until resume",
        explanation: """
            Lets reloads, the next ones too, take no further slots until resume. A slot that
            has started to change finishes, crashed workers come back, and a reload that
            fails is reverted.
            """,
        run: { (call) throws(VerbError) in try change(call, saying: "paused") })

    static let resume = Verb(
        "resume", "let reloads continue after pause",
        explanation: "Lets reloads continue after pause.",
        run: { (call) throws(VerbError) in try change(call, saying: "resumed") })
}

private func change(_ call: Call, saying done: String) throws(VerbError) -> Int32 {
    _ = try Conversation(call).answer()
    return printOut("\(done)\n")
}
