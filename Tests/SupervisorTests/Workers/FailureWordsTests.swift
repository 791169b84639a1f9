// The reason why a release does not start, as real languages say it: at the head of a stack, however deep, or at its
// end.
import Foundation
import Reloader
import Testing

@testable import Supervisor

@Suite struct FailureWordsTests {
    /// What the runtime adds to the words of an end makes no stray comma.
    @Test func theWordsOfAnEndAreOneSentence() {
        var context = ReportContext()
        context.wasOutOfMemory = true
        let status = ExitStatus.signaled(9, coreDumped: true)
        let end = "killed by signal 9 (Killed), core dumped, out of memory"
        #expect(FailureReason.crashed(status).words(context) == "worker was unexpectedly \(end)")
        #expect(FailureReason.exitedInSoak(status).words(context) == "worker was \(end), during its soak")
        #expect(status.words(true, context) == "worker was \(end)")
        #expect(status.words(false, context) == "worker was unexpectedly \(end)")
    }

    /// A program whose second generation dies of an exception far down in its stack.
    struct Language: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let words: [String]

        static let all = [
            Language(
                testDescription: "node",
                words: [
                    "node", "--stack-trace-limit=300", "-e",
                    """
                    const fall = depth => {
                        if (depth) return fall(depth - 1), 0;
                        throw new Error("no database today");
                    };
                    if (process.env.RELOADERD_GENERATION !== "1") fall(250);
                    require("fs").writeSync(Number(process.env.READY_FD), "READY=1\\n");
                    setInterval(() => {}, 1e6);
                    """,
                ]),
            Language(
                testDescription: "ruby",
                words: [
                    "ruby", "-e",
                    """
                    def fall(depth) = depth == 0 ? raise("no database today") : [fall(depth - 1)]
                    fall(250) if ENV["RELOADERD_GENERATION"] != "1"
                    IO.for_fd(ENV["READY_FD"].to_i).syswrite("READY=1\\n")
                    sleep
                    """,
                ]),
            Language(
                testDescription: "python",
                words: [
                    Apps.python, "-IS", "-c",
                    """
                    import os, signal, sys
                    def even(depth): return odd(depth - 1) + 1
                    def odd(depth):
                        if depth < 0: raise RuntimeError("no database today")
                        return even(depth - 1) + 1
                    if os.environ["RELOADERD_GENERATION"] != "1": even(250)
                    os.write(int(os.environ["READY_FD"]), b"READY=1\\n")
                    signal.pause()
                    """,
                ]),
        ]
    }

    private static let reason = "no database today"

    /// The client that waits, the hook and the reader of the log each get the message, and the log has it once.
    @Test(arguments: Language.all) func everybodyIsToldTheMessage(language: Language) throws {
        let folder = try TestFolder()
        let fifo = try Fifo(in: folder, named: "hooks")
        let app = try ControlledDaemon(
            language.words,
            options: ["--no-share", "-w", "1", "--ready", "message", "--on-event", "cat >>\(fifo.path)"],
            in: folder)
        try app.daemon.next("pool_ready")
        let result = try app.ask("reload")
        #expect(result.outcome == "failed")
        let lines = result.strings("stderr")
        #expect(lines.count >= 64)
        #expect(lines.contains { $0.contains(Self.reason) })
        while true {
            let event = try #require(try fifo.lines.next().flatMap { LogLine($0) })
            guard event.event == "failed" else { continue }
            #expect(event.text("last_lines")?.contains(Self.reason) == true)
            break
        }
        try app.daemon.next("reload_reverted")
        // Node shows the line of the program, too.
        let count = lines.count { $0.contains(Self.reason) }
        #expect(app.daemon.otherLines.count { $0.contains(Self.reason) } == count)
        #expect(app.daemon.records("worker_said").isEmpty)
        #expect(try app.daemon.stop() == 0)
    }

    @Test(arguments: Language.all) func theVerbAndALogApartHaveTheMessage(language: Language) throws {
        let app = try ControlledDaemon(
            language.words, options: ["--no-share", "-w", "1", "--ready", "message", "--output", "file:/dev/null"])
        try app.daemon.next("pool_ready")
        let run = try CommandRun.reloaderd(
            ["reload"], environment: ["PATH=/usr/bin:/bin"] + ControlledDaemon.environment(of: app.folder))
        #expect(run.status == 1)
        #expect(run.errorLines.contains { $0.hasPrefix("  | ") && $0.contains(Self.reason) })
        try app.daemon.next("reload_reverted")
        let said = app.daemon.records("worker_said").map(\.message)
        #expect(said.contains { $0.contains(Self.reason) })
        #expect(said.count < 50)
        #expect(try app.daemon.stop() == 0)
    }

    /// A reason on standard output is a reason as well.
    @Test func standardOutputIsHeardToo() throws {
        let app = try ControlledDaemon(
            Apps.shell(
                "[ $RELOADERD_GENERATION = 1 ] || { echo 'ERROR no database'; exit 3; }; "
                    + "echo READY=1 >&$READY_FD; exec sleep 1000"), options: ["-w", "1"])
        try app.daemon.next("pool_ready")
        let result = try app.ask("reload")
        #expect(result.strings("stderr") == [] && result.strings("stdout") == ["ERROR no database"])
        #expect(try app.daemon.stop() == 0)
    }

    /// A person who follows events doesn't see what workers write, and is told.
    @Test func eventsHaveTheWords() throws {
        let app = try ControlledDaemon(ControlledDaemon.breaking, options: ["-w", "1"])
        try app.daemon.next("pool_ready")
        let events = try app.connect()
        try events.send("events", ["follow": true])
        app.daemon.signal(SIGHUP)
        let said = try events.event("worker_said")
        #expect(said.string("msg") == "no database" && said.string("stream") == "stderr")
        try app.daemon.next("reload_reverted")
        #expect(app.daemon.records("worker_said").isEmpty)
        #expect(try app.daemon.stop() == 0)
    }
}
