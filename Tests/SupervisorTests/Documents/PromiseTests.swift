// The daemon prints what the README shows.
import Foundation
import Testing

@Suite struct PromiseTests {
    /// A deploy that is done and one that fails, as the README tells the story.
    @Test func theReadmesSamplesArePrinted() throws {
        let folder = try TestFolder()
        for (release, script) in [("41", Self.good), ("42", Self.good), ("43", Self.bad)] {
            try FileManager.default.createDirectory(
                atPath: "\(folder.path)/releases/\(release)", withIntermediateDirectories: true)
            try folder.writeProgram("releases/\(release)/app", script)
        }
        try folder.link("current", to: "releases/41")
        let app = try ControlledDaemon(
            ["./app"], options: ["--workers", "4", "--listen", "0", "--chdir", "\(folder.path)/current"], in: folder)
        try app.daemon.next("pool_ready")
        try folder.link("current", to: "releases/42")
        #expect(try verb(["reload", "--note", "login page"], of: app).status == 0)
        try folder.link("current", to: "releases/43")
        let failed = try verb(["reload"], of: app)
        #expect(failed.status == 1)
        let sample = try Self.sample(from: "reloaderd: reload failed")
        #expect(failed.errorLines.map { Self.timeless($0) } == sample.map { Self.timeless($0) })

        let shown = try verb(["status"], of: app).output.split(separator: "\n")
        let status = try Self.sample(from: "web  running")
        func words(_ lines: [Substring], from start: String) -> [Substring] {
            lines.first { $0.drop { $0 == " " }.hasPrefix(start) }?.split(separator: " ") ?? []
        }
        #expect(words(shown, from: "SLOT") == words(status, from: "SLOT"))
        for start in ["program", "started", "generation  2", "listener"] {
            #expect(!words(shown, from: start).isEmpty && !words(status, from: start).isEmpty, "\(start)")
        }
        for lines in [shown, status] {
            let flat = lines.flatMap { $0.split(separator: " ") }.joined(separator: " ")
            #expect(flat.contains("/releases/42 (login page)"), "\(flat)")
        }
        try app.daemon.endsClean()
    }

    /// Exactly these variables are set.
    @Test func workersGetTheVariablesOfTheReadme() throws {
        let folder = try TestFolder()
        let fifo = try Fifo(in: folder)
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--listen", "127.0.0.1:0", "--watchdog", "1h"] + ShownWorker.program
                + ["show-to", fifo.path, "ready", "wait"])
        let worker = try ShownWorker(line: try #require(try fifo.lines.next()))
        let inherited = ChildProcess.plainEnvironment.compactMap { $0.split(separator: "=").first.map(String.init) }
        let rows = try Self.readme().drop { $0 != "| variable | |" }.dropFirst(2).prefix { $0.hasPrefix("| ") }
        let names = rows.flatMap { row in
            row.dropFirst(2).prefix { $0 != "|" }.matches(of: #/`(\w+)`/#).map { String($0.1) }
        }
        #expect(Set(names) == Set(worker.env.keys).subtracting(inherited))
        try daemon.endsClean()
    }

    private static let good = "#!/bin/sh\necho READY=1 >&$READY_FD\nexec sleep 1000\n"
    private static let bad = "#!/bin/sh\necho 'app: cannot open settings.toml: No such file or directory' >&2\nexit 3\n"

    private func verb(_ words: [String], of app: ControlledDaemon) throws -> CommandRun {
        try CommandRun.reloaderd(
            words, environment: ["PATH=/usr/bin:/bin"] + ControlledDaemon.environment(of: app.folder))
    }

    /// The indented block of the README from this line on, to a line of text.
    private static func sample(from start: String) throws -> [Substring] {
        let lines = try readme().map { $0.hasPrefix("    ") ? $0.dropFirst(4) : "" }
        let first = try #require(lines.firstIndex { $0.hasPrefix(start) })
        return Array(lines[first...].prefix { !$0.isEmpty })
    }

    private static func readme() throws -> [Substring] {
        try String(contentsOfFile: "\(Products.package)/README.md", encoding: .utf8).split(separator: "\n")
    }

    private static func timeless(_ line: Substring) -> String {
        String(line).replacing(#/after [0-9.]+m?s/#, with: "after a while")
    }
}
