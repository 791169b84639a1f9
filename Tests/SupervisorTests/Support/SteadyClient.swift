// A client that asks all the time while something is done to the daemon: one connection a request, nothing retried.
import Foundation

final class SteadyClient: @unchecked Sendable {
    private let port: Int
    private let changed = NSCondition()
    private var isAsking = true
    private var hasEnded = false
    private var answered = 0
    private var generations: [Int] = []
    private var failures: [String] = []

    /// Returns when the first answer is there: what follows happens under its eyes.
    init(_ port: Int) throws {
        self.port = port
        let thread = Thread { self.ask() }
        thread.start()
        try wait("an answer") { answered > 0 }
    }

    /// Waits until this generation answers, or a request fails.
    func waitForGeneration(_ generation: Int) throws {
        try wait("generation \(generation)") { generations.last == generation || !failures.isEmpty }
    }

    struct Result {
        var answers: Int
        /// The generations of the answers, in order, without repeats next to each other.
        var generations: [Int]
        var failures: [String]
    }

    /// Asks no further, and says what was seen.
    func finish() -> Result {
        changed.lock()
        defer { changed.unlock() }
        isAsking = false
        while !hasEnded { changed.wait() }
        return Result(answers: answered, generations: generations, failures: failures)
    }

    private func wait(_ what: String, until hasCome: () -> Bool) throws {
        let patience = Date(timeIntervalSinceNow: Double(ChildProcess.patienceMilliseconds) / 1000)
        changed.lock()
        defer { changed.unlock() }
        while !hasCome() {
            if changed.wait(until: patience) { continue }
            isAsking = false
            throw DidNotHappen(description: "\(what) does not come; seen: \(generations), \(failures)")
        }
    }

    private func ask() {
        var goesOn = true
        while goesOn {
            let answer = Network.get(port)
            changed.lock()
            take(answer)
            goesOn = isAsking
            hasEnded = !goesOn
            changed.broadcast()
            changed.unlock()
            // The pace, so that clients of many tests leave the machine to the daemons; nothing is waited for.
            poll(nil, 0, 1)
        }
    }

    private func take(_ answer: String?) {
        answered += 1
        guard let answer, answer.hasPrefix("HTTP/1.1 200"), answer.hasSuffix("\n"),
            let word = answer.split(separator: " ").first(where: { $0.hasPrefix("generation=") }),
            let generation = Int(word.dropFirst("generation=".count))
        else {
            failures.append(answer ?? "no answer: \(String(cString: strerror(errno)))")
            return
        }
        if generations.last != generation { generations.append(generation) }
    }
}
