// A running reloaderd whose log is read as it comes: tests wait for its records.
import Foundation

/// One line of the log.
struct LogLine: CustomStringConvertible {
    var event: String
    var fields: [String: Any]
    var text: String

    var slot: Int? { fields["slot"] as? Int }
    var generation: Int? { fields["generation"] as? Int }
    var pid: Int32? { (fields["pid"] as? Int).map(Int32.init) }
    var message: String { fields["msg"] as? String ?? "" }
    var description: String { text }

    init?(_ line: String) {
        guard let fields = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any],
            let event = fields["event"] as? String
        else { return nil }
        self.event = event
        self.fields = fields
        text = line
    }
}

final class DaemonUnderTest {
    let process: ChildProcess
    /// Workers bind their ports themselves.
    let sharesPorts: Bool
    /// All that was read so far.
    private(set) var log: [LogLine] = []
    /// Lines of standard error that are not the daemon's.
    private(set) var otherLines: [String] = []

    /// Starts `reloaderd` with these words, and the log as JSON.
    ///
    /// - Parameter terminal: its controlling terminal, and its standard input.
    /// - Parameter control: what --control says, so that tests leave nothing in the machine's own directories; nil:
    ///   nothing.
    init(
        _ words: [String], environment: [String] = ChildProcess.plainEnvironment, directory: String? = nil,
        inheriting: [Int32] = [], under wrapper: [String] = [], executable: String = Products.reloaderd,
        control: String? = "none", at terminal: PseudoTerminal? = nil
    ) throws {
        sharesPorts = !words.contains { $0 == "--listen" || $0.hasPrefix("--no-share") }
        process = try ChildProcess(
            (terminal?.wrapper ?? []) + wrapper + [executable, "--log-format", "json"]
                + (control.map { ["--control", $0] } ?? [])
                + words, environment: environment,
            directory: directory, inheriting: inheriting, leadsSession: terminal != nil)
    }

    var pid: Int32 { process.pid }

    func signal(_ number: Int32) { process.signal(number) }

    /// Reads on to the next record that fits, and returns it.
    @discardableResult
    func next(_ event: String, where fits: (LogLine) -> Bool = { _ in true }) throws -> LogLine {
        try next(of: [event], where: fits)
    }

    /// As above, for whichever of these events comes first.
    @discardableResult
    func next(of events: [String], where fits: (LogLine) -> Bool = { _ in true }) throws -> LogLine {
        let what = events.joined(separator: " or ")
        let patience = ContinuousClock.now + .milliseconds(ChildProcess.patienceMilliseconds)
        do {
            // A log that goes on for ever without the record is no better than one that is silent.
            while ContinuousClock.now < patience, let line = try process.errors.next() {
                guard let record = take(line) else { continue }
                if events.contains(record.event) && fits(record) { return record }
            }
        } catch {
            throw DidNotHappen(description: "no \(what) within patience; the log:\n\(story)")
        }
        if process.isRunning { throw DidNotHappen(description: "no \(what) within patience; the log:\n\(story)") }
        throw DidNotHappen(description: "the daemon ended without \(what); the log:\n\(story)")
    }

    /// Reads one more line, be it the daemon's or a worker's.
    @discardableResult
    func nextLine() throws -> String {
        guard let line = try process.errors.next() else {
            throw DidNotHappen(description: "the daemon ended; the log:\n\(story)")
        }
        take(line)
        return line
    }

    /// Reads on until so many more workers are ready.
    @discardableResult
    func ready(_ count: Int) throws -> [LogLine] {
        try (0..<count).map { _ in try next("worker_ready") }
    }

    /// Reads on until so many workers of a generation have exited: until then an old one may still take a connection.
    func gone(_ count: Int, ofGeneration generation: Int) throws {
        while records("worker_exited").filter({ $0.generation == generation }).count < count {
            try next("worker_exited")
        }
    }

    /// Waits for the end and reads the rest of the log.
    @discardableResult
    func end() throws -> Int32 {
        while let line = try process.errors.next() { take(line) }
        return try process.wait()
    }

    /// SIGTERM, and the end.
    @discardableResult
    func stop() throws -> Int32 {
        signal(15)
        return try end()
    }

    func records(_ event: String) -> [LogLine] { log.filter { $0.event == event } }

    var story: String { (log.map { $0.text } + ["other lines:"] + otherLines.suffix(50)).joined(separator: "\n") }

    @discardableResult
    private func take(_ line: String) -> LogLine? {
        guard let record = LogLine(line) else {
            otherLines.append(line)
            return nil
        }
        log.append(record)
        return record
    }
}
