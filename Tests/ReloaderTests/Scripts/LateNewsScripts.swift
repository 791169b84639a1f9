import Testing

/// News crosses orders on its way: every kind of news changes nothing if its worker is in the wrong state or does not
/// exist.
@Suite struct LateNewsScripts {
    private static let everyKind = [
        "spawned", "ready", "listens", "listens-partly", "still-listens", "listens-no-more", "ping", "stopping",
        "extend 5s", "exit", "failed exhausted",
    ]

    @Test(arguments: everyKind) func ofAWorkerThatIsGone(_ news: String) {
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1
            wait 20s
            crash 0/1 -> spawn 0/1#2
            \(line(news, of: "0/1"))
            alive 1
            ready 0/1#2
            timer none
            """)
    }

    @Test(arguments: everyKind.dropLast(3)) func ofAWorkerThatDrains(_ news: String) {
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1
            stop -> term 0/1
            \(line(news, of: "0/1"))
            timer 30s
            """)
    }

    @Test(arguments: everyKind.dropLast(2)) func ofAWorkerThatIsKilled(_ news: String) {
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1
            stop fast -> kill 0/1
            \(line(news, of: "0/1"))
            timer none
            alive 1
            """)
    }

    @Test(arguments: everyKind) func afterTheEnd(_ news: String) {
        Script.play(
            """
            start -> spawn 0/1
            stop fast -> kill 0/1
            exit 0/1 -> finish 0
            \(line(news, of: "0/1"))
            scale 5
            drain-all
            wait 100s
            timer none
            alive 0
            """)
    }

    @Test func commandsBeforeTheStart() {
        Script.play(
            """
            reload 2
            scale 5
            drain-all
            timer none
            start -> spawn 0/1
            """)
    }

    /// `extend 5s` of 0/1 is `extend 0/1 5s`.
    private func line(_ news: String, of worker: String) -> String {
        let (verb, rest) = news.cut(at: " ")
        return "\(verb) \(worker) \(rest ?? "")"
    }
}
