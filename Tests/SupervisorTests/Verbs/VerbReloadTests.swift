import Foundation
import Testing

/// `reload` and its relatives: what is asked, what is shown, how it ends.
@Suite struct VerbReloadTests {
    private let folder: TestFolder

    init() throws { folder = try TestFolder() }

    private static let began =
        #"{"type":"event","event":"reload_began","generation":2,"replaced":0,"workers":2,"msg":"reload begins"}"#
    private static let firstSlot =
        #"{"type":"event","event":"slot_replaced","slot":0,"generation":2,"replaced":1,"workers":2,"#
        + #""msg":"slot 0 is replaced"}"#
    private static let done = #"{"type":"result","ok":true,"outcome":"done","generation":2,"took_s":1.234}"#

    /// The client, and the daemon's end of its connection, once the request has come.
    private func reload() throws -> (ChildProcess, FakeDaemon.Peer) {
        let daemon = try FakeDaemon(in: folder)
        let client = try daemon.client(["reload"])
        let peer = try daemon.accept()
        _ = try peer.request()
        return (client, peer)
    }

    @Test func asksForWhatTheOptionsSay() throws {
        let daemon = try FakeDaemon(in: folder)
        let words = [
            "reload", "--timeout", "1m", "--canary=2", "--canary-time", "1500ms", "--surge", "3", "--soak", "0",
            "--max-failures", "4", "--wait", "--", "--port", "8080",
        ]
        let (request, run) = try daemon.answer(words, Self.done)
        #expect(
            request == [
                "v": 1, "verb": "reload", "wait": true, "timeout_s": 60, "canary": 2, "canary_time_s": 1.5, "surge": 3,
                "soak_s": 0, "max_failures": 4, "arguments": ["--port", "8080"],
            ])
        #expect(run.status == 0)
        #expect(run.output == "generation 2 serves after 1.23s\n")
        #expect(run.errors.isEmpty)
    }

    @Test func asksForNoMoreThanThat() throws {
        let (request, _) = try FakeDaemon(in: folder).answer(["reload"], Self.done)
        #expect(request == ["v": 1, "verb": "reload", "wait": true])
    }

    @Test func noArgumentsAreNotTheSameAsThoseThatItHas() throws {
        let (request, _) = try FakeDaemon(in: folder).answer(["reload", "--"], Self.done)
        #expect(request == ["v": 1, "verb": "reload", "wait": true, "arguments": [String]()])
    }

    @Test func plainLinesTellHowItGoesOn() throws {
        let (client, peer) = try reload()
        // Each line comes when its event does, and not at the end.
        peer.say(Self.began)
        #expect(try client.output.next() == "reload begins")
        peer.say(Self.firstSlot)
        #expect(try client.output.next() == "slot 0: slot 0 is replaced")
        peer.say(Self.done)
        #expect(try client.finished().output == "generation 2 serves after 1.23s\n")
        #expect(try client.wait() == 0)
    }

    @Test func aFailureHasItsReasonAndTheWorkersLastWords() throws {
        let answer = #"""
            {"type":"result","ok":true,"outcome":"failed","generation":2,"took_s":0.5,"reason":"slot 0: \#
            exit status 3","exit_status":3,"stderr":["Traceback\u001b[31m\u0007","\tat x\u202e","last"],\#
            "stdout":["\u0007hello"]}
            """#
        let (_, run) = try FakeDaemon(in: folder).answer(["reload"], answer)
        #expect(run.status == 1)
        #expect(run.output.isEmpty)
        #expect(
            run.errors == #"""
                reloaderd: reload failed after 0.50s: slot 0: exit status 3
                the worker's exit status was 3
                its last lines on standard error:
                  | Traceback\u{1B}[31m\u{07}
                  |     at x\u{202E}
                  | last
                its last lines on standard output:
                  | \u{07}hello

                """#)
    }

    @Test func aSignalIsNamed() throws {
        for signal in [#""SEGV""#, "11"] {
            let answer = #"{"type":"result","ok":true,"outcome":"failed","generation":2,"signal":\#(signal)}"#
            let (_, run) = try FakeDaemon(in: TestFolder()).answer(["reload"], answer)
            #expect(run.status == 1)
            #expect(run.errors == "reloaderd: reload failed\nthe worker was killed by SIGSEGV\n")
        }
    }

    @Test(arguments: [("failed", 1), ("refused", 1), ("superseded", 2), ("timed_out", 3), ("done", 0), ("begun", 0)])
    func outcomesHaveStatuses(_ outcome: String, _ status: Int32) throws {
        for verb in [["reload"], ["rollback"], ["restart", "0"]] {
            let answer = #"{"type":"result","ok":true,"outcome":"\#(outcome)","generation":7,"reason":"because"}"#
            let (_, run) = try FakeDaemon(in: TestFolder()).answer(verb, answer)
            #expect(run.status == status)
            let (said, silent) = status == 0 ? (run.output, run.errors) : (run.errors, run.output)
            #expect(silent.isEmpty)
            #expect(said.split(separator: "\n").count == 1)
            if status != 0 { #expect(said.hasSuffix(": because\n")) }
        }
    }

    @Test func withoutWaitingItHasBegun() throws {
        let answer = #"{"type":"result","ok":true,"outcome":"begun","generation":2}"#
        let (request, run) = try FakeDaemon(in: folder).answer(["reload", "--no-wait"], answer)
        #expect(request == ["v": 1, "verb": "reload", "wait": false])
        #expect(run.status == 0)
        #expect(run.output == "reload to generation 2 started\n")
    }

    @Test func aDaemonThatIsGoneBeforeTheEndIsNoSuccess() throws {
        let (client, peer) = try reload()
        peer.say(Self.began)
        peer.hangUp()
        let run = try client.finished()
        #expect(run.status == 4)
        #expect(run.errorLines.count == 1)
        #expect(run.errors.hasPrefix("reloaderd: the daemon closed "))
    }

    @Test func whatIsNotUnderstoodIsNoSuccess() throws {
        for answer in ["hello", "[]", "{}", #"{"type":"result","outcome":"great"}"#, #"{"type":"result"#, "\u{1B}[2J"] {
            let (_, run) = try FakeDaemon(in: TestFolder()).answer(["reload"], answer)
            #expect(run.status == 4)
            #expect(run.errorLines.count == 1)
            #expect(!run.errors.contains("\u{1B}"))
        }
    }

    @Test func whatTheDaemonRefusesIsSaid() throws {
        for (code, status) in [("usage", Int32(64)), ("forbidden", 1), ("busy", 1), ("version", 1)] {
            let answer = #"{"type":"error","code":"\#(code)","message":"not so\u0007"}"#
            let (_, run) = try FakeDaemon(in: TestFolder()).answer(["reload"], answer)
            #expect(run.status == status)
            #expect(run.errors == "reloaderd: not so\\u{07}\n")
        }
    }

    @Test func rollbackAndRestartSayWhere() throws {
        #expect(
            try FakeDaemon(in: folder).answer(["rollback", "3"], Self.done).request
                == ["v": 1, "verb": "rollback", "wait": true, "generation": 3])
        #expect(
            try FakeDaemon(in: TestFolder()).answer(["rollback", "--no-wait"], Self.done).request
                == ["v": 1, "verb": "rollback", "wait": false])
        let (request, run) = try FakeDaemon(in: TestFolder()).answer(["restart", "2"], Self.done)
        #expect(request == ["v": 1, "verb": "restart", "wait": true, "slot": 2])
        #expect(run.output == "restarted after 1.23s\n")
    }

    @Test func promoteSaysThatItIsDone() throws {
        let (request, run) = try FakeDaemon(in: folder).answer(["promote"], #"{"type":"result","ok":true}"#)
        #expect(request == ["v": 1, "verb": "promote"])
        #expect(run.status == 0)
        #expect(run.output == "promoted\n")
    }

    /// On a terminal one line is redrawn, as wide as the terminal is by then.
    @Test func theBarIsRedrawnInPlace() throws {
        let daemon = try FakeDaemon(in: folder)
        let terminal = try PseudoTerminal(columns: 60, rows: 10)
        let client = try terminal.start(
            [Products.reloaderd, "reload"], environment: daemon.environment + ["TERM=xterm"])
        let peer = try daemon.accept()
        _ = try peer.request()
        peer.say(Self.began)
        // Seconds may pass on a busy machine, and take some of the message's room.
        try terminal.read(until: "\rgeneration 2  [----------------------------]  0/2  ")
        try terminal.read(until: "s  re")
        peer.say(Self.firstSlot)
        try terminal.read(until: "\rgeneration 2  [##############--------------]  1/2")
        peer.say(#"{"type":"event","event":"worker_failed","replaced":1,"workers":2,"msg":"it \u001b[2J failed"}"#)
        try terminal.read(until: "\rit \\u{1B}[2J failed\u{1B}[K\n\rgeneration 2  [####")
        try terminal.resize(columns: 20, rows: 10)
        try terminal.read(until: "\r1/2  ")
        try terminal.resize(columns: 200, rows: 10)
        peer.say(#"{"type":"event","event":"slot_replaced","replaced":2,"workers":2,"msg":"slot 1 is replaced"}"#)
        try terminal.read(until: "[############################]  2/2")
        peer.say(Self.done)
        let end = try terminal.read(until: "generation 2 serves after 1.23s\n")
        // Below the bar, which is left as it was.
        #expect(end.hasSuffix("\u{1B}[K\ngeneration 2 serves after 1.23s\n"))
        #expect(try client.wait() == 0)
    }

    @Test func aTerminalThatCannotMoveItsCursorGetsLines() throws {
        let daemon = try FakeDaemon(in: folder)
        let terminal = try PseudoTerminal(columns: 60, rows: 10)
        let client = try terminal.start(
            [Products.reloaderd, "reload"], environment: daemon.environment + ["TERM=dumb"])
        let peer = try daemon.accept()
        _ = try peer.request()
        peer.say(Self.began)
        peer.say(Self.done)
        let text = try terminal.read(until: "generation 2 serves after 1.23s\n")
        #expect(text == "reload begins\ngeneration 2 serves after 1.23s\n")
        #expect(try client.wait() == 0)
    }

    @Test(arguments: [SIGINT, SIGTERM]) func anInterruptEndsTheClientAloneAndSaysSo(_ signal: Int32) throws {
        for (words, said) in [
            (
                ["reload"],
                "the reload continues: 'reloaderd status --watch' shows it, and 'reloaderd rollback' undoes it"
            ),
            (["rollback"], "the rollback continues: 'reloaderd status --watch' shows it"),
            (["restart", "1"], "the restart continues: 'reloaderd status --watch' shows it"),
            (["stop"], "the stop continues: 'reloaderd status --watch' shows it"),
        ] {
            let daemon = try FakeDaemon(in: TestFolder())
            let client = try daemon.client(words)
            let peer = try daemon.accept()
            _ = try peer.request()
            if words == ["stop"] {
                // The client says nothing of these lines; but it has read some, and waits, when all of them are sent.
                peer.say(#"{"type":"event","event":"x","msg":"\#(String(repeating: "x", count: 4 << 20))"}"#)
            } else {
                peer.say(Self.began)
                #expect(try client.output.next() == "reload begins")
            }
            client.signal(signal)
            #expect(try client.errors.rest() == ["reloaderd: \(said)"])
            #expect(try client.wait() == 128 + signal)
        }
    }

    @Test func whatToTypeNamesTheDaemon() throws {
        let daemon = try FakeDaemon(in: folder)
        let client = try daemon.client(["reload", "--control", "\(folder.path)/web.sock"])
        let peer = try daemon.accept()
        _ = try peer.request()
        peer.say(Self.began)
        _ = try client.output.next()
        client.signal(SIGINT)
        let said = try client.errors.rest()
        #expect(said.first?.contains("'reloaderd rollback --control \(folder.path)/web.sock'") == true, "\(said)")
        #expect(try client.wait() == 128 + SIGINT)
    }

    /// Ctrl-C on a real terminal, below the bar; a client that waits for nothing ends in silence.
    @Test func controlCSaysThatItGoesOn() throws {
        let daemon = try FakeDaemon(in: folder)
        let terminal = try PseudoTerminal(columns: 80, rows: 10)
        let client = try terminal.start(
            ["/usr/bin/setsid", "--ctty", "--wait", Products.reloaderd, "reload"],
            environment: daemon.environment + ["TERM=xterm"])
        let peer = try daemon.accept()
        _ = try peer.request()
        peer.say(Self.began)
        try terminal.read(until: "  0/2  ")
        try terminal.type("\u{3}")
        try terminal.read(until: "\nreloaderd: the reload continues: 'reloaderd status --watch' shows it")
        #expect(try client.wait() != 0)
    }
}
