// Options of the daemon itself: its name, its pid file, how its log looks and workers' output gets out.
import Foundation
import Testing

@Suite struct DaemonOptionTests {
    @Test func thePIDFileHoldsThePIDAndKeepsOthersOut() throws {
        let folder = try TestFolder()
        let path = "\(folder.path)/pid"
        try folder.write("pid", "99999999 left by one that was killed\n")
        let daemon = try DaemonUnderTest(["-w", "1", "--pid-file", path] + ShownWorker.program + ["ready", "wait"])
        try daemon.next("pool_ready")
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "\(daemon.pid)\n")

        let second = try CommandRun.reloaderd(["--pid-file", path, "/bin/sh", "-c", "echo > \(folder.path)/started"])
        #expect(second.status == 1)
        #expect(
            second.errors
                == "reloaderd: cannot take the pid file \(path): another daemon holds it (stop it, or choose another "
                + "file)\n"
        )
        #expect(!folder.contains("started"))
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "\(daemon.pid)\n")

        #expect(try daemon.stop() == 0)
        #expect(!folder.contains("pid"))
    }

    @Test(arguments: ["text", "json"])
    func eachLineOfTheLogCanBeRead(_ format: String) throws {
        let process = try ChildProcess(
            [
                Products.reloaderd, "-w", "2", "--name", "shop@1", "--log-format", format, "--listen", "127.0.0.1:0",
                "--control", "none",
            ]
                + ShownWorker.program + ["send", "STATUS=a \"quoted\" = \\ é", "ready", "wait"])
        var lines: [String] = []
        while let line = try process.errors.next() {
            lines.append(line)
            if line.contains("pool_ready") { process.signal(SIGHUP) }
            if line.contains("reload_done") { process.signal(SIGTERM) }
        }
        #expect(try process.wait() == 0)
        let records = lines.map { format == "json" ? Self.json($0) : Self.logfmt($0) }
        for (line, record) in zip(lines, records) {
            #expect(record["daemon"] == "shop@1", "\(line)")
            #expect(record["time"]?.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil, "\(line)")
            #expect(["info", "warning", "error"].contains(record["level"]), "\(line)")
            #expect(record["event"]?.isEmpty == false, "\(line)")
            #expect(record["msg"]?.isEmpty == false, "\(line)")
        }
        let events = Set(records.compactMap { $0["event"] })
        #expect(
            events.isSuperset(of: [
                "listening", "started", "worker_started", "worker_ready", "pool_ready", "reload_asked",
                "reload_began", "slot_replaced", "worker_draining", "worker_exited", "reload_done", "stopping",
            ]))
        #expect(records.contains { $0["status"] == "a \"quoted\" = \\ é" })
        #expect(
            records.contains { $0["slot"] == "1" && $0["generation"] == "2" && $0["pid"].flatMap { Int($0) } != nil })
    }

    /// With `relay` what a worker writes arrives byte for byte; with `inherit` it goes past the daemon.
    @Test(arguments: ["relay", "inherit"])
    func whatAWorkerWritesArrives(_ output: String) throws {
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--output", output] + ShownWorker.program + [
                "err", "so sagt der Prozeß: <6>\t\u{1B}[1mfett", "ready", "wait",
            ])
        try daemon.next("pool_ready")
        #expect(try daemon.stop() == 0)
        #expect(daemon.otherLines == ["so sagt der Prozeß: <6>\t\u{1B}[1mfett"])
    }

    /// What was kept of a failed worker's words is shown with the failure; `inherit` keeps nothing, and says so.
    @Test(arguments: [
        ("relay", []), ("prefix", []), ("file:/dev/null", ["the reason why"]), ("inherit", []),
    ])
    func aFailedWorkersLastWordsAreSaidOnce(_ output: String, _ said: [String]) throws {
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--output", output, "--give-up", "1/1s"] + ShownWorker.program + [
                "err", "the reason why", "exit", "3",
            ])
        #expect(try daemon.end() == 1)
        #expect(daemon.records("worker_said").map { $0.message } == said)
        #expect(daemon.records("words_not_kept").count == (output == "inherit" ? 1 : 0))
        #expect(daemon.otherLines.filter { $0.hasSuffix("the reason why") }.count == (output.hasPrefix("file") ? 0 : 1))
    }

    private static func json(_ line: String) -> [String: String] {
        guard let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else {
            return [:]
        }
        return object.mapValues { "\($0)" }
    }

    /// `key=word` and `key="JSON string"`; anything else makes it empty.
    private static func logfmt(_ line: String) -> [String: String] {
        var fields: [String: String] = [:]
        var rest = line[...]
        while !rest.isEmpty {
            guard let match = rest.prefixMatch(of: /([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ "=]+)(?: |$)/) else { return [:] }
            let word = String(match.2)
            let value = word.hasPrefix("\"") ? json("{\"value\":\(word)}")["value"] : word
            fields[String(match.1)] = value
            rest = rest[match.range.upperBound...]
        }
        return fields
    }
}
