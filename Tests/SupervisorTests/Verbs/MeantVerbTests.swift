import Foundation
import Testing

@testable import reloaderd

/// A word that was meant as a verb is never run as a program.
@Suite struct MeantVerbTests {
    /// A folder in which each of these words is a program that leaves a trace.
    private func folder(_ words: [String]) throws -> TestFolder {
        let folder = try TestFolder()
        for word in words { try folder.writeProgram(word, "#!/bin/sh\necho ran >\(folder.path)/ran\n") }
        return folder
    }

    private static let meant: [(word: String, advice: String)] = [
        ("statsu", "reloaderd status?"), ("stats", "reloaderd status?"), ("relaod", "reloaderd reload?"),
        ("Reload", "reloaderd reload?"), ("roll-back", "reloaderd rollback?"), ("scael", "reloaderd scale?"),
        ("lsit", "reloaderd list?"), ("hsitory", "reloaderd history?"), ("stopp", "reloaderd stop?"),
        ("start", "name it"), ("ps", "reloaderd status"), ("log", "reloaderd logs"), ("top", "status --watch"),
        ("monit", "status --watch"), ("undo", "rollback"), ("kill", "stop"), ("shutdown", "stop"),
        ("restrat", "reloaderd restart?"), ("init", "nothing to set up"), ("delete", "stop"), ("describe", "status"),
        ("show", "status"), ("enable", "systemctl enable"), ("disable", "systemctl disable"),
    ]

    @Test func itIsRefusedWithTheRightWords() throws {
        let folder = try folder(Self.meant.map { $0.word })
        for (word, advice) in Self.meant {
            for words in [[word], [word, "web"], ["--name", "web", word], ["--check", word]] {
                let run = try CommandRun.reloaderd(words, environment: ["PATH=\(folder.path)"])
                #expect(run.status == 64, "\(words)")
                #expect(run.errors.hasPrefix("reloaderd: '\(word)' is not a verb: ") && run.errorLines.count == 1)
                #expect(run.errors.contains(advice), "\(run.errors)")
                #expect(run.errors.hasSuffix("(to run a program of that name: reloaderd -- \(word))\n"))
            }
        }
        #expect(!folder.contains("ran"))
    }

    /// Two dashes insist, and a path is no verb.
    @Test func whoMeansTheProgramGetsIt() throws {
        let folder = try folder(["shutdown", "relaod"])
        for words in [["--", "shutdown"], ["--", "relaod"], ["\(folder.path)/relaod"]] {
            let run = try CommandRun.reloaderd(["--check"] + words, environment: ["PATH=\(folder.path)"])
            #expect(run.status == 0, "\(run)")
        }
        let daemon = try DaemonUnderTest(
            ["--no-share", "--workers", "1", "--", "shutdown"], environment: ["PATH=\(folder.path):/usr/bin:/bin"])
        try daemon.next("worker_exited")
        #expect(folder.contains("ran"))
        try daemon.stop()
    }

    /// Programs that people supervise, and that must not be taken for a slip.
    @Test(arguments: [
        "node", "python3", "ruby", "puma", "php", "nginx", "gunicorn", "uvicorn", "java", "go", "deno", "bun", "caddy",
        "server", "worker", "web", "app", "api", "serve", "main", "remote", "agents", "rollup", "sh", "true", "cat",
    ])
    func programsAreNone(_ word: String) { #expect(MeantVerb.problem(with: word) == nil) }

    @Test func someSimplyWork() throws {
        let help = try CommandRun.reloaderd(["help"])
        let expected = try CommandRun.reloaderd(["--help"])
        #expect(help.status == 0 && help.output == expected.output)
        let ofVerb = try CommandRun.reloaderd(["help", "scale"])
        let expectedOfVerb = try CommandRun.reloaderd(["scale", "--help"])
        #expect(ofVerb.status == 0 && ofVerb.output == expectedOfVerb.output)
        #expect(try CommandRun.reloaderd(["help", "nothing"]).status == 64)
        #expect(try CommandRun.reloaderd(["version"]).output == "reloaderd \(version)\n")
        let folder = try TestFolder()
        let (request, run) = try FakeDaemon(in: folder).answer(["ls"], VerbStatusTests.answer())
        #expect(request == ["v": 1, "verb": "status"] && run.output.contains("\nweb"))
    }

    @Test func theNameOfTheDaemonMayBeAWord() throws {
        let answer = #"{"type":"result","ok":true,"workers":3,"entries":[],"lines":[],"outcome":"done"}"#
        let calls: [([String], NSDictionary)] = [
            (["history", "web"], ["v": 1, "verb": "history"]),
            (["logs", "web"], ["v": 1, "verb": "logs", "follow": false]),
            (["pause", "web"], ["v": 1, "verb": "pause"]),
            (["scale", "web", "3"], ["v": 1, "verb": "scale", "to": 3]),
            (["scale", "+3"], ["v": 1, "verb": "scale", "by": 3]),
            (["restart", "web", "0"], ["v": 1, "verb": "restart", "slot": 0, "wait": true]),
            (["rollback", "web"], ["v": 1, "verb": "rollback", "wait": true]),
            (["rollback", "web", "2"], ["v": 1, "verb": "rollback", "generation": 2, "wait": true]),
            (["reload", "web", "--", "x"], ["v": 1, "verb": "reload", "arguments": ["x"], "wait": true]),
        ]
        for (words, expected) in calls {
            let folder = try TestFolder()
            let other = words.contains("web") ? try FakeDaemon("api", in: folder) : nil
            let (request, run) = try FakeDaemon(in: folder).answer(words, answer)
            #expect(request == expected, "\(words)")
            #expect(run.status == 0, "\(words): \(run)")
            _ = other
        }
    }
}
