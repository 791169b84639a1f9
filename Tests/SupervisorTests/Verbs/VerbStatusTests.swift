import Foundation
import Testing

/// `status`, for people and for programs.
@Suite struct VerbStatusTests {
    private let folder: TestFolder

    init() throws { folder = try TestFolder() }

    static func answer(
        name: String = "web", phase: String = "running", ready: String = "1", failing: String = "null"
    ) -> String {
        let parts = [
            #""pool":{"name":"\#(name)","pid":4242,"started_at":"2026-11-24T20:00:00.123Z","program":"./run","#,
            #""arguments":["--port","80\u001b[31m80"],"workers":2,"ready":\#(ready),"phase":"\#(phase)","#
                + #""failing":\#(failing),"generation":2,"newest":3,"#,
            #""version":"0.1.0"},"roll":{"target":3,"base":2,"direction":"forward","replaced":1,"workers":2,"#,
            #""since_s":75.4,"waiting_for":"promote"},"last_reload":{"generation":2,"outcome":"failed","took_s":1.5,"#,
            #""reason":"slot 0\u0007"},"generations":[{"number":2,"executable":"/srv/2/run","#,
            #""working_directory":"/srv/2","made_at":"2026-11-24T20:10:00.000Z","state":"serving","#
                + #""note":"a fix","changed_files":["app.js"]}],"#,
            #""listeners":[{"address":"0.0.0.0:8080","name":"http","queue":3},{"address":"[::]:1","name":null},"#,
            #"{"address":"[::]:2","kind":"shared","workers":1,"queue":0},"#,
            #"{"address":"[::]:3","kind":"own","workers":2,"queue":4}],"#,
            #""slots":[{"slot":0,"generation":3,"failures":0,"backoff_s":null,"workers":[{"id":1,"pid":71,"#,
            #""generation":3,"state":"ready","since_s":3725,"age_s":10,"restarts":1,"memory_bytes":12345678,"#
                + #""cpu_s":1.234,"#,
            #""connections":4,"queue":1,"drain":null,"status":"fine \u001b[2J\u202e"},{"id":2,"pid":72,"#,
            #""generation":2,"state":"draining","since_s":5.5,"restarts":0,"memory_bytes":512,"cpu_s":75,"#,
            #""connections":2,"queue":0,"drain":{"connections":2,"queue":0,"oldest_s":4.2},"status":null}]},"#,
            #"{"slot":1,"generation":2,"failures":3,"backoff_s":0.4,"#
                + #""last_failure":"worker exited with status 3","workers":[]}]}"#,
        ]
        return #"{"type":"result","ok":true,"# + parts.joined()
    }

    private static let text = #"""
        web  running  1/2 ready  generation 2 (newest 3)  pid 4242  reloaderd 0.1.0
        program     ./run --port 80\u{1B}[31m80
        started     2026-11-24 20:00:00Z
        roll        to generation 3 from 2, 1/2 slots, 1m15s, waits for promote
        last        reload to generation 2 failed after 1.50s: slot 0\u{07}
        generation  2 serving, made 2026-11-24 20:10:00Z: /srv/2/run in /srv/2 (a fix);
                    changed since it was made: app.js
        listener    http 0.0.0.0:8080, 3 in the queue
        listener    [::]:1
        listener    [::]:2, shared by 1 worker, 0 in the queue
        listener    [::]:3, opened by 2 workers, 4 in the queue

        SLOT  GEN  PID  STATE     SINCE  RESTARTS  MEMORY    CPU  CONNS  QUEUE
           0    3   71  ready     1h02m         1   11.8M  12.3%      4      1
              fine \u{1B}[2J\u{202E}
           0    2   72  draining     5s         0    512B      -      2      0
              waits for 2 connections, 0 in the queue, since 4s
           1    2    -  backoff       -         -       -      -      -      -
              3 failures in a row, next start in 0.40s: worker exited with status 3

        """#

    @Test func peopleGetATable() throws {
        let (request, run) = try FakeDaemon(in: folder).answer(["status"], Self.answer())
        #expect(request == ["v": 1, "verb": "status"])
        #expect(run.status == 0)
        #expect(run.output == Self.text)
        #expect(run.errors.isEmpty)
        #expect(run.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
    }

    /// Scripts ask whether it serves with all the workers that it should have.
    @Test(arguments: [
        ("running", "2", "null", 0), ("paused", "2", "null", 0), ("running", "1", "null", 2),
        ("drained", "0", "null", 2),
        ("stopping", "2", "null", 2), ("failing", "1", #"{"slots":1,"reason":"slot 1: worker exited"}"#, 1),
    ])
    func theExitCodeSaysHowItIs(_ phase: String, _ ready: String, _ failing: String, _ status: Int32) throws {
        let answer = Self.answer(phase: phase, ready: ready, failing: failing)
        for words in [["status", "--exit-code"], ["status", "--exit-code", "--json"]] {
            let (_, run) = try FakeDaemon(in: TestFolder()).answer(words, answer)
            #expect(run.status == status, "\(run)")
        }
        let (_, run) = try FakeDaemon(in: TestFolder()).answer(["status"], answer)
        #expect(run.status == 0)
        let line = "failing 1 slot without a worker that serves; the last failure: slot 1: worker exited"
        #expect(run.flat.contains(line) == (phase == "failing"), "\(run.output)")
    }

    @Test func programsGetTheAnswerItself() throws {
        let (_, run) = try FakeDaemon(in: folder).answer(["status", "--json"], Self.answer())
        #expect(run.output == Self.answer() + "\n")
    }

    @Test func whatIsMissingIsNotUnderstood() throws {
        for part in [#""pool":"#, #""slots":"#, #""pid":71"#, #""listeners":"#] {
            let broken = Self.answer().replacingOccurrences(
                of: part, with: part.replacingOccurrences(of: "\"", with: "\"x"))
            let (_, run) = try FakeDaemon(in: TestFolder()).answer(["status"], broken)
            #expect(run.status == 4, "\(part)")
            #expect(run.errorLines.count == 1)
        }
    }

    @Test func aWatchAsksAgain() throws {
        let daemon = try FakeDaemon(in: folder)
        let client = try daemon.client(["status", "--watch"])
        let peer = try daemon.accept()
        for phase in ["running", "paused"] {
            #expect(try peer.request() == ["v": 1, "verb": "status"])
            peer.say(Self.answer(phase: phase))
            let text = Self.text.replacingOccurrences(of: "running", with: phase) + "\n"
            for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
                #expect(try client.output.next() == String(line))
            }
        }
        peer.hangUp()
        #expect(try client.finished().status == 4)
    }

    /// On a terminal in place: home, then line after line, each with what was there erased; no more than there is room.
    @Test func aWatchRedrawsInPlace() throws {
        let daemon = try FakeDaemon(in: folder)
        let terminal = try PseudoTerminal(columns: 40, rows: 7)
        let client = try terminal.start(
            [Products.reloaderd, "status", "--watch"], environment: daemon.environment + ["TERM=xterm"])
        let peer = try daemon.accept()
        _ = try peer.request()
        peer.say(Self.answer())
        let first = try terminal.read(until: "\u{1B}[J")
        #expect(first.hasPrefix("\u{1B}[H\u{1B}[2J\u{1B}[Hweb  running  1/2 ready  generation 2 (n\u{1B}[K\n"))
        let lines = first.split(separator: "\n")
        #expect(lines.count == 7)
        #expect(lines[5] == "... 14 more lines\u{1B}[K")
        #expect(lines.allSatisfy { $0.replacing("\u{1B}[H", with: "").replacing("\u{1B}[2J", with: "").count <= 43 })

        _ = try peer.request()
        try terminal.resize(columns: 200, rows: 50)
        peer.say(Self.answer(phase: "paused"))
        let second = try terminal.read(until: "\u{1B}[J")
        #expect(second.hasPrefix("\u{1B}[Hweb  paused  "))
        #expect(second.hasSuffix("worker exited with status 3\u{1B}[K\n\u{1B}[J"))
        client.signal(SIGINT)
        #expect(try client.wait() == 128 + SIGINT)
    }
}

/// `status` of workers that drain: who holds them, and why.
@Suite struct VerbStatusDrainTests {
    @Test func peopleSeeWhatHoldsADrain() throws {
        let holders =
            #"[{"peer":"192.0.2.7:4711","age_s":12.3,"why":"a request unanswered for 11.8s"},"#
            + #"{"peer":"[2001:db8::7]:80","age_s":75,"why":"unused \u001b[2J"}]"#
        let output = try text(of: #""drain":{"connections":6,"queue":0,"oldest_s":75,"held_by":\#(holders)}"#)
        #expect(
            output.hasSuffix(
                """

                pid 72 waits for
                    192.0.2.7:4711    12s    a request unanswered for 11.8s
                    [2001:db8::7]:80  1m15s  unused \\u{1B}[2J
                    and 4 more

                """), "\(output)")
    }

    /// An older daemon doesn't say.
    @Test func whatIsNotSaidIsNotShown() throws {
        #expect(try !text(of: #""drain":{"connections":6,"queue":0,"oldest_s":75}"#).contains("pid 72 waits"))
        let nobody = #""drain":{"connections":0,"queue":0,"oldest_s":75,"held_by":[]}"#
        #expect(try !text(of: nobody).contains("pid 72 waits"))
    }

    /// The daemon names the eight oldest.
    @Test func theDaemonNamesThem() throws {
        let folder = try TestFolder()
        let port = try Network.freePort()
        let controlled = try ControlledDaemon(
            SharedProgram.threaded.words(port, in: folder), options: ["--workers", "1"], in: folder)
        let daemon = controlled.daemon
        try daemon.next("pool_ready")
        let gates = try (0..<9).map { try Gate(in: folder, "gate-\($0)") }
        let askers = try gates.map { try Asker(port, asking: "/gate?\($0.path)") }
        // They have been accepted when one that came later is answered.
        _ = try Asker(port, asking: "/").answer()
        daemon.signal(SIGHUP)
        try daemon.next("drain_waits")
        let output = try CommandRun.reloaderd(
            ["status"], environment: ChildProcess.plainEnvironment + ControlledDaemon.environment(of: folder)
        ).output
        let peers = output.split(separator: "\n").filter { $0.hasPrefix("    127.0.0.1:") }
        #expect(peers.count == 8, "\(output)")
        #expect(peers.allSatisfy { $0.contains("  a request unanswered for ") }, "\(output)")
        #expect(output.hasSuffix("    and 1 more\n"), "\(output)")
        for gate in gates { gate.letPass() }
        for asker in askers { #expect(try asker.answer()?.generation == 1) }
        try daemon.endsClean()
    }

    private func text(of drain: String) throws -> String {
        let answer = VerbStatusTests.answer().replacingOccurrences(
            of: #""drain":{"connections":2,"queue":0,"oldest_s":4.2}"#, with: drain)
        return try FakeDaemon(in: TestFolder()).answer(["status"], answer).1.output
    }
}
