// The log as people at a terminal see it.
import Foundation
import Reloader
import Testing

@testable import Supervisor

@Suite struct PrettyLogTests {
    private static func log(colour: Bool = false) -> PrettyLog {
        PrettyLog(usesColour: colour, name: "web", deploy: "reloaderd reload web")
    }

    /// The lines for these records, a second apart unless told otherwise, without their times.
    private func lines(_ records: [LogRecord], every milliseconds: Int = 1000, colour: Bool = false) -> [String] {
        var log = Self.log(colour: colour)
        return records.enumerated().compactMap { number, record in
            let time = timespec(
                tv_sec: 1_800_000_000 + number * milliseconds / 1000, tv_nsec: number * milliseconds % 1000 * 1_000_000)
            return log.line(record, at: time).map { String($0.dropFirst("16:20:05  ".count)) }
        }
    }

    private func worker(_ level: LogRecord.Level, _ event: String, slot: Int, _ message: String = "") -> LogRecord {
        LogRecord(level, event, message, [("slot", .number(slot)), ("generation", 1), ("pid", 77)])
    }

    @Test func aStartIsOneLine() {
        let start = [0, 1].flatMap { slot in
            ["worker_started", "worker_listening", "worker_ready"].map { worker(.info, $0, slot: slot) }
        }
        let ready = LogRecord(
            .info, "pool_ready", "all workers are ready",
            [("workers", 2), ("after", .duration(.milliseconds(116))), ("on", "0.0.0.0:8080, [::]:8080, [::1]:81")])
        #expect(
            lines(start + [ready]) == [
                "          web is up: 2 of 2 workers on :8080, [::1]:81 · deploy with: reloaderd reload web (0.116s)"
            ])
    }

    @Test func aReloadIsNoLongerThanItHasToBe() {
        let began = LogRecord(.info, "reload_began", "reload: generation 2 replaces generation 1", [("generation", 2)])
        let slots = (1...8).flatMap { number in
            [
                worker(.info, "worker_started", slot: number), worker(.info, "worker_ready", slot: number),
                worker(.info, "slot_replaced", slot: number, "\(number) of 8 slots serve generation 2"),
                worker(.info, "worker_draining", slot: number), worker(.info, "worker_exited", slot: number),
            ]
        }
        let done = LogRecord(
            .info, "reload_done", "reload done: all slots serve generation 2",
            [("took", .duration(.milliseconds(410)))])
        let records = [began] + slots + [done]
        #expect(
            lines(records, every: 10) == [
                "          reload: generation 2 replaces generation 1",
                "          reload done: all slots serve generation 2 (0.410s)",
            ])
        // If it takes longer, a line a second says how far it is.
        let slow = lines(records, every: 400)
        #expect(slow.count == 2 + 8)
        #expect(slow[1] == "          1 of 8 slots serve generation 2")
    }

    @Test func troubleIsShownAndItsEnd() {
        #expect(
            lines([
                worker(.error, "worker_failed", slot: 3, "worker exited with status 3"),
                worker(.info, "worker_started", slot: 3), worker(.info, "worker_ready", slot: 3),
                worker(.info, "worker_ready", slot: 3),
            ]) == ["slot 3    worker exited with status 3", "slot 3    worker is ready again"])
    }

    @Test func colourIsAroundWordsOnly() {
        let line = lines([worker(.error, "worker_failed", slot: 3, "it failed")], colour: true).first
        #expect(line == "\u{1B}[2mslot 3\u{1B}[0m    \u{1B}[31mit failed\u{1B}[0m")
    }

    @Test func noCommandOfAWorkerReachesTheTerminal() {
        let line = lines([LogRecord(.warning, "worker_status", "\u{1B}[2Jgone", [("status", "a\u{7}b")])]).first ?? ""
        #expect(!line.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F }, "\(line.debugDescription)")
    }

    // MARK: on a real terminal

    private func onTerminal(_ words: [String], _ variables: [String] = []) throws -> (up: String, reload: String) {
        let terminal = try PseudoTerminal(columns: 100, rows: 30)
        let daemon = try terminal.startSession(
            [Products.reloaderd, "--control", "none", "--name", "web", "--workers", "2"] + words + Apps.readyShell,
            environment: ChildProcess.plainEnvironment + variables)
        let up = try terminal.read(until: "kill -HUP \(daemon.pid)")
        daemon.signal(SIGHUP)
        let reload = try terminal.read(until: "reload done: all slots serve generation 2")
        daemon.signal(SIGTERM)
        try terminal.read(until: "stopping")
        #expect(try daemon.wait() == 0)
        return (up, reload)
    }

    @Test func aTerminalGetsIt() throws {
        let (up, reload) = try onTerminal([])
        let last = try #require(up.split(separator: "\n").last)
        #expect(
            last.hasSuffix("web is up: 2 of 2 workers · deploy with: kill -HUP \(up.split(separator: " ").last ?? "")"))
        #expect(!up.contains("event=") && up.contains("\u{1B}[32m"))
        #expect(reload.split(separator: "\n").filter { $0.contains("reload") }.count == 2, "\(reload)")
    }

    @Test(arguments: ["NO_COLOR=1", "TERM=dumb"]) func colourCanBeDeclined(_ variable: String) throws {
        let (up, reload) = try onTerminal([], [variable])
        #expect(!up.contains("\u{1B}") && !reload.contains("\u{1B}"))
        #expect(up.contains("web is up"))
    }

    @Test func elsewhereItIsText() throws {
        let run = try CommandRun.reloaderd([
            "--control", "none", "-w", "1", "--give-up", "1/1m", "--no-share", "/bin/false",
        ])
        #expect(run.errors.contains("event=gave_up") && run.errors.hasPrefix("time="))
        let pretty = try CommandRun.reloaderd([
            "--control", "none", "-w", "1", "--give-up", "1/1m", "--no-share", "--log-format", "pretty", "/bin/false",
        ])
        #expect(!pretty.errors.contains("event=") && !pretty.errors.contains("\u{1B}"))
        #expect(pretty.errors.contains("worker exited with status 1"))
    }
}
