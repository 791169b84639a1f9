// A hostile worker writes what looks like the daemon's own records: nobody who reads the log may take them for such.
import Foundation
import Testing

@Suite struct ForgedRecordTests {
    private static let record =
        #"{"time":"2026-11-27T11:29:02.000Z","level":"info","event":"reload_done","generation":7,"msg":"forged"}"#
    private static let textRecord =
        #"time=2026-11-27T11:29:02.000Z level=info event=reload_done generation=7 msg="forged""#

    /// A pool of one whose worker runs this Python, and ends. `write` writes bytes to both streams, and `taken` returns
    /// when the daemon has read them.
    private func run(
        _ format: String, _ code: String, output: String = "relay", merged: Bool = false, journal: Bool = false
    ) throws -> (output: String, errors: String, pid: String) {
        let folder = try TestFolder()
        let script = """
            import fcntl, os, struct, sys, termios
            def write(*pieces):
                for piece in pieces:
                    for stream in 1, 2: os.write(stream, piece)
            def taken():
                for stream in 1, 2:
                    while struct.unpack("i", fcntl.ioctl(stream, termios.FIONREAD, bytes(4)))[0]: os.sched_yield()
            \(code)
            os._exit(3)
            """
        let words = [
            Products.reloaderd, "--log-format", format, "--control", "none", "-w", "1", "--no-share", "--give-up",
            "1/1m", "--output", output, Apps.python, "-IS", "-c", script,
        ]
        // Into files: each byte is to be seen. The journal is whatever JOURNAL_STREAM says.
        let variable =
            journal ? "export JOURNAL_STREAM=$(stat -L -c '%d:%i' \(folder.path)/errors); " : ""
        let redirection = ">\(folder.path)/output 2>\(merged ? "&1" : "\(folder.path)/errors")"
        let daemon = try CommandRun.run(
            ["/bin/sh", "-c", ": >\(folder.path)/errors; \(variable)exec \"$@\" \(redirection)", "sh"] + words)
        #expect(daemon.status == 1)
        let errors = folder.text(of: merged ? "output" : "errors")
        let pid = errors.firstMatch(of: /slot"?[=:]0[ ,]"?generation"?[=:]1[ ,]"?pid"?[:=](\d+)/)
        return (folder.text(of: "output"), errors, pid.map { String($0.1) } ?? "")
    }

    /// As the strictest and the most lenient readers take lines apart.
    private func lines(_ text: String) -> [String] {
        text.unicodeScalars.split { "\n\r\0".unicodeScalars.contains($0) }
            .map { String(String.UnicodeScalarView($0)).trimmingCharacters(in: .whitespaces) }
            .map { $0.replacing(/^(<\d+>\s*)+/, with: "") }
    }

    private func forged(_ text: String, _ format: String) -> [String] {
        lines(text).filter { line in
            if format == "json" { return LogLine(line)?.event == "reload_done" }
            return line.hasPrefix("time=") && line.contains("event=reload_done")
        }
    }

    private static let attacks: [String: String] = [
        "perfect": "write(record)",
        "blanks": "write(b' \\t ' + record)",
        "level": "write(b'<6>' + record, b'<3> <6>' + record)",
        "carriage return": "write(b'word\\r' + record)",
        "NUL": "write(b'word\\0' + record)",
        "torn": "half = len(record) // 2; write(record[:half]); taken(); write(record[half:])",
        "torn at its first word": "write(record[:2]); taken(); write(record[2:])",
        "after a long line that others may have ended": "write(b'x' * 5000); taken(); write(record)",
        "torn after a long beginning": "write(b' ' * 5000 + record[:3]); taken(); write(record[3:])",
        "in the last words, without an end": "write(record[:-1])",
        "in many": "write(b'word\\n' + record + b'word\\n' + record)",
    ]

    @Test(arguments: attacks.keys.sorted(), ["text", "json"])
    func aWorkersRecordIsMarked(_ attack: String, _ format: String) throws {
        let record = format == "json" ? Self.record : Self.textRecord
        for (output, merged) in [("relay", false), ("relay", true), ("prefix", true)] {
            let run = try run(
                format, "record = b'''\(record)\\n'''\n\(try #require(Self.attacks[attack]))", output: output,
                merged: merged)
            #expect(forged(run.output, format) == [], "\(output): \(run.output)")
            #expect(forged(run.errors, format) == [], "\(output): \(run.errors)")
            // Nothing that it said is hidden.
            #expect(run.errors.contains("reload_done"))
            #expect(run.output.contains("reload_done"))
        }
    }

    @Test(arguments: ["relay", "prefix"]) func prettyLinesAreMarked(_ output: String) throws {
        let run = try run("pretty", "write(b'16:20:05  all is well\\n16:20:05 passes\\n')", output: output)
        for text in [run.output, run.errors] {
            let forged = lines(text).filter { $0.hasPrefix("16:20:05  ") }
            #expect(forged == [] && text.contains("16:20:05  all is well"), "\(text)")
        }
        if output == "relay" { #expect(run.output.contains("\n16:20:05 passes\n")) }
    }

    @Test func textGetsTheTagOfPrefix() throws {
        let run = try run("text", "write(b'''before\\n\(Self.textRecord)\\nafter\\n''')")
        #expect(run.output == "before\n[slot 0 pid \(run.pid)] \(Self.textRecord)\nafter\n")
    }

    @Test func jsonBecomesARecordOfItsOwn() throws {
        let run = try run("json", "write(b'''before\\n\(Self.record)\\nafter\\n''')")
        let lines = run.output.split(separator: "\n").map(String.init)
        try #require(lines.count == 3)
        #expect(lines[0] == "before" && lines[2] == "after")
        let told = try #require(LogLine(lines[1]))
        #expect(told.event == "worker_output" && told.message == Self.record)
        #expect(told.slot == 0 && told.generation == 1 && told.pid.map { "\($0)" } == run.pid)
        #expect(told.text("stream") == "stdout")
    }

    @Test func escapesInJSONKeysAreNoWayRound() throws {
        let escaped = Self.record.replacingOccurrences(of: "\"event\"", with: "\"\\\\u0065vent\"")
        let run = try run("json", "write(b'''\(escaped)\\n''')")
        #expect(forged(run.errors, "json") == [] && run.errors.contains("worker_output"))
    }

    /// What programs log of their own passes byte for byte: Go's slog, pino, access logs, bytes that are no text.
    @Test(arguments: ["text", "json"]) func allElsePassesAsItIs(_ format: String) throws {
        let code = #"""
            lines = [b'time=2026-11-27T11:29:02Z level=INFO msg=started port=80', b'{"level":30,"time":1,"msg":"{}"}',
                b'127.0.0.1 - "GET /?event=1&time=2" 200', b'<3>error', b'50%\r100%', b'\xff\xfe\0\x01', b'', b'   ',
                b'{"level":30,"msg":"' + b'x' * 9000 + b'"}', b'y' * 70000, b'an event', b'tim', b'<', b'{']
            write(b'\n'.join(lines) + b'\nunfinished')
            import hashlib
            sys.stderr.write(hashlib.sha256(b'\n'.join(lines) + b'\nunfinished').hexdigest() + '\n')
            """#
        let run = try run(format, code)
        #expect(!run.output.contains("worker_output") && !run.output.contains("[slot"), "\(run.output)")
        #expect(run.output.hasSuffix("an event\ntim\n<\n{\nunfinished"))
        #expect(run.output.utf8.count > 79_000)
    }

    /// journald breaks lines that are longer than 48 KiB where it likes.
    @Test func theJournalsLongLinesHideNothing() throws {
        let run = try run("text", "write(b'x' * 49152 + b'''\(Self.textRecord)\\n''')", journal: true)
        for line in run.errors.utf8.split(separator: 10) { #expect(line.count < 40_000) }
        #expect(forged(run.errors, "text") == [])
        let pieces = try self.run(
            "text", "write(b'x' * 5000); taken(); write(b'y' * 44152 + b'''\(Self.textRecord)\\n''')",
            journal: true)
        for line in pieces.errors.utf8.split(separator: 10) { #expect(line.count < 40_000) }
    }
}
