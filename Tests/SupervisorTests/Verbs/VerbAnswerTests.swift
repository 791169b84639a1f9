import Foundation
import Testing

/// What the other verbs ask and print.
@Suite struct VerbAnswerTests {
    private let folder: TestFolder

    init() throws { folder = try TestFolder() }

    private static let history = #"""
        {"type":"result","ok":true,"entries":[{"generation":1,"asked_at":"2026-11-24T20:00:00.000Z",\#
        "by":{"uid":0,"pid":7,"command":"sh \u001b[1m"},"executable":{"path":"/srv/1/run","inode":12,\#
        "mtime":"2026-11-23T10:00:00.500Z"},"took_s":1.5,"outcome":"done","reason":null},{"generation":2,\#
        "asked_at":"2026-11-24T21:00:00.000Z","by":{"signal":"HUP","pid":8},"executable":null,"took_s":null,\#
        "outcome":"failed","reason":"slot 0: exit status 3","what":"reload","note":"a fix",\#
        "working_directory":"/srv/web/releases/2026-11-24T21:00:00-of-the-second-team","changed_files":["app.js"]}]}
        """#

    @Test func historyHasALineForEachGeneration() throws {
        let (request, run) = try FakeDaemon(in: folder).answer(["history", "-n", "2"], Self.history)
        #expect(request == ["v": 1, "verb": "history", "limit": 2])
        #expect(run.status == 0)
        #expect(
            run.output == #"""
                GEN  WHEN                  WHAT    OUTCOME   TOOK  DIRECTORY
                  1  2026-11-24 20:00:00Z  -       done     1.50s  -
                      by sh \u{1B}[1m uid 0 pid 7
                      /srv/1/run (inode 12, of 2026-11-23 10:00:00Z)
                  2  2026-11-24 21:00:00Z  reload  failed       -  ...1:00:00-of-the-second-team
                      note: a fix
                      slot 0: exit status 3
                      changed since it was made: app.js
                      by SIGHUP pid 8

                """#)
        let (all, json) = try FakeDaemon(in: TestFolder()).answer(["history", "--json"], Self.history)
        #expect(all == ["v": 1, "verb": "history"])
        #expect(json.output == Self.history + "\n")
    }

    private static let event =
        #"{"type":"event","time":"2026-11-24T20:00:00.000Z","level":"info","event":"worker_ready","slot":1,"#
        + #""generation":2,"pid":77,"msg":"worker is ready\u001b[2J"}"#
    private static let eventText =
        "2026-11-24 20:00:00Z info    worker_ready slot 1 generation 2 pid 77: worker is ready\\u{1B}[2J"

    @Test func eventsAreThoseOfTheLog() throws {
        for words in [["events"], ["events", "--json"]] {
            let daemon = try FakeDaemon(in: TestFolder())
            let client = try daemon.client(words)
            let peer = try daemon.accept()
            #expect(try peer.request() == ["v": 1, "verb": "events", "follow": false])
            peer.say(Self.event)
            peer.say(#"{"type":"result","ok":true}"#)
            let run = try client.finished()
            #expect(run.status == 0)
            #expect(run.output == (words.count == 2 ? Self.event : Self.eventText) + "\n")
        }
    }

    @Test func aFollowerHearsEachAsItComes() throws {
        let daemon = try FakeDaemon(in: folder)
        let client = try daemon.client(["events", "-f"])
        let peer = try daemon.accept()
        #expect(try peer.request() == ["v": 1, "verb": "events", "follow": true])
        for _ in 0..<3 {
            peer.say(Self.event)
            #expect(try client.output.next() == Self.eventText)
        }
        peer.say(#"{"type":"error","code":"lagged","message":"too slow"}"#)
        let run = try client.finished()
        #expect(run.status == 1)
        #expect(run.errors == "reloaderd: too slow\n")
    }

    @Test func logsTellWhoseLineItIs() throws {
        let answer = #"""
            {"type":"result","ok":true,"lines":[{"slot":0,"pid":71,"generation":2,"alive":false,\#
            "time":"2026-11-24T21:34:05.123Z","stream":"stderr","line":"\tbye\u0007"},\#
            {"slot":0,"pid":72,"generation":2,"alive":true,"time":"2026-11-24T21:34:06.123Z","stream":"stdout",\#
            "line":"hello"}],"note":"more there"}
            """#
        let (request, run) = try FakeDaemon(in: folder).answer(["logs", "--slot", "0", "--long"], answer)
        #expect(request == ["v": 1, "verb": "logs", "follow": false, "slot": 0])
        #expect(
            run.output == #"""
                2026-11-24 21:34:05Z slot 0 generation 2 pid 71 (ended) stderr |     bye\u{07}
                2026-11-24 21:34:06Z slot 0 generation 2 pid 72 stdout | hello
                more there

                """#)

        let (asked, short) = try FakeDaemon(in: TestFolder()).answer(
            ["logs", "-n", "100", "--since", "10m", "-t"], answer)
        #expect(asked == ["v": 1, "verb": "logs", "follow": false, "limit": 100, "since_s": 600])
        #expect(
            short.output == #"""
                2026-11-24 21:34:05Z slot 0 (ended) |     bye\u{07}
                2026-11-24 21:34:06Z slot 0 | hello
                more there

                """#)

        let daemon = try FakeDaemon(in: TestFolder())
        let client = try daemon.client(["logs", "--follow", "-l"])
        let peer = try daemon.accept()
        #expect(try peer.request() == ["v": 1, "verb": "logs", "follow": true])
        // A daemon from before it told when and where.
        peer.say(#"{"type":"event","event":"line","slot":1,"pid":73,"generation":3,"alive":true,"line":"live"}"#)
        #expect(try client.output.next() == "slot 1 generation 3 pid 73 stderr | live")
        peer.hangUp()
        #expect(try client.finished().status == 4)
    }

    @Test func scaleTakesANumberOrADifference() throws {
        for (word, argument) in [("3", ("to", 3)), ("+2", ("by", 2)), ("-2", ("by", -2))] {
            let (request, run) = try FakeDaemon(in: TestFolder()).answer(
                ["scale", word], #"{"type":"result","ok":true,"workers":3}"#)
            #expect(request == ["v": 1, "verb": "scale", argument.0: argument.1])
            #expect(run.output == "3 workers\n")
        }
    }

    @Test(arguments: [("pause", "paused\n"), ("resume", "resumed\n")])
    func pauseAndResume(_ verb: String, _ text: String) throws {
        let (request, run) = try FakeDaemon(in: folder).answer([verb], #"{"type":"result","ok":true}"#)
        #expect(request == ["v": 1, "verb": verb])
        #expect(run.output == text)
        #expect(run.status == 0)
    }

    /// The end of the connection is the end of the daemon, whether it could still say so or not.
    @Test func stopWaitsForTheEnd() throws {
        for answer in [nil, #"{"type":"result","ok":true}"#] {
            let daemon = try FakeDaemon(in: TestFolder())
            let client = try daemon.client(["stop"])
            let peer = try daemon.accept()
            #expect(try peer.request() == ["v": 1, "verb": "stop", "fast": false, "wait": true])
            if let answer { peer.say(answer) }
            #expect(client.isRunning)
            peer.hangUp()
            let run = try client.finished()
            #expect(run.status == 0)
            #expect(run.output == "stopped\n")
        }
    }

    @Test func stopNeedNotWait() throws {
        let (request, run) = try FakeDaemon(in: folder).answer(
            ["stop", "--fast", "--no-wait"], #"{"type":"result","ok":true}"#)
        #expect(request == ["v": 1, "verb": "stop", "fast": true, "wait": false])
        #expect(run.output == "stopping\n")
        let (_, refused) = try FakeDaemon(in: TestFolder()).answer(
            ["stop"], #"{"type":"error","code":"refused","message":"it stops already"}"#)
        #expect(refused.status == 1)
        #expect(refused.errors == "reloaderd: it stops already\n")
    }

    /// `reloaderd status | head` is not an error.
    @Test func aReaderThatHasGoneEndsIt() throws {
        let daemon = try FakeDaemon(in: folder)
        let client = try ChildProcess(
            ["/bin/sh", "-c", "\(Products.reloaderd) events --follow | exit 7"], environment: daemon.environment)
        let peer = try daemon.accept()
        _ = try peer.request()
        // The shell waits for both: it ends when the client has found out.
        for _ in 0..<100_000 where client.isRunning { peer.say(Self.event) }
        #expect(try client.wait() == 7)
    }
}
