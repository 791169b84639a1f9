// The control protocol is said once, in the daemon's library: the command has no version, place, address or clock of
// its own.
import Foundation
import Testing

@testable import Supervisor
@testable import reloaderd

@Suite struct WireTests {
    /// Words of the wire that only the library may have.
    private static let words = [
        "/run/reloaderd", "/tmp/reloaderd", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", "sockaddr", ".sock\"",
        "SO_SNDTIMEO",
        "CLOCK_", "clock_gettime", "time(nil", "timegm", "timed_out", "\"begun\"", "workersMax", "\\\\u",
    ]

    @Test func theCommandSaysNothingOfTheWire() throws {
        let folder = "\(Products.package)/Sources/reloaderd"
        let files = try FileManager.default.subpathsOfDirectory(atPath: folder).filter { $0.hasSuffix(".swift") }
        #expect(files.count > 20)
        for file in files {
            let text = try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
            for word in Self.words { #expect(!text.contains(word), "\(file): \(word)") }
        }
    }

    /// A request with every argument at its bounds, as the verbs write it, is one that the daemon takes.
    @Test func requestsOfVerbsAreTaken() throws {
        let workers = ControlLimits.workers
        let calls: [[String]] = [
            ["status"], ["promote"], ["pause"], ["resume"], ["list"], ["health", "--ready"],
            ["upgrade", "/usr/local/bin/reloaderd", "--now"],
            ["events", "--follow", "--lines", "\(ControlLimits.lines.upperBound)", "--since", "365d"],
            ["history", "-n", "\(ControlLimits.historyEntries.upperBound)"],
            ["logs", "--slot", "\(ControlLimits.slots.upperBound)"], ["restart", "\(ControlLimits.slots.lowerBound)"],
            ["scale", "\(workers.upperBound)"], ["scale", "-\(workers.upperBound)"],
            ["scale", "+\(workers.upperBound)"],
            ["rollback", "\(Bounds.generations.upperBound)", "--force", "--no-wait"], ["stop", "--fast", "--wait"],
            [
                "reload", "--canary", "\(workers.upperBound)", "--canary-time", "365d", "--surge",
                "\(workers.upperBound)", "--soak", "365d", "--timeout", "365d", "--max-failures",
                "\(ControlLimits.failures.upperBound)", "--note",
                String(repeating: "x", count: ControlLimits.noteScalarsMax), "--", "a", "b",
            ],
        ]
        for words in calls {
            let verb = try #require(Verb.named(words[0]))
            let call = try Call(verb, words.dropFirst())
            let request = verb.name == "list" ? Request(verb: Verb.status.name) : call.request
            #expect(throws: Never.self, "\(words)") { _ = try ControlRequest(request.json.line[...]) }
        }
        let asked = Set(calls.map { $0[0] })
        #expect(asked == Set(Verb.all.map { $0.name }).subtracting(["completion", "doctor"]))
    }

    /// The place of a socket is the one at which it is found.
    @Test func socketsAreFoundWhereTheyArePut() throws {
        let folder = try TestFolder()
        for name in ["web", "api"] { try folder.write("\(name).sock", "") }
        try folder.write("web.history", "")
        let directories = [folder.path, "\(folder.path)/missing"]
        #expect(ControlSocket.all(in: directories) == ["api", "web"].map { ControlSocket(of: $0, in: folder.path) })
        #expect(ControlSocket(of: "web", in: folder.path).path == "\(folder.path)/web.sock")
    }

    /// Time stamps are read as they are written.
    @Test func timestampsAreReadAsTheyAreWritten() throws {
        var time = WallClock.now()
        time.tv_sec -= 100_000
        let age = try #require(WallClock.seconds(since: LogFormatter.timestamp(time)))
        #expect(age >= 100_000)
        time.tv_sec += 200_000
        for text in [LogFormatter.timestamp(time), "", "Z", "yesterday", "2026-11-24", "2026-11-24T21:34:05.123"] {
            #expect(WallClock.seconds(since: text) == nil, "\(text)")
        }
    }
}
