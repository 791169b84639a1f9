// A reload of what has failed before: it is tried again, and the log says that nothing was changed.
import Foundation
import Testing

@Suite struct UnchangedReloadTests {
    private let folder: TestFolder
    private let app: ControlledDaemon

    /// Serves in generation 1, and never again.
    private static let broken = "[ $RELOADERD_GENERATION = 1 ] || exit 3; echo READY=1 >&$READY_FD; exec sleep 1000\n"

    init() throws {
        folder = try TestFolder()
        try folder.write("app.sh", Self.broken)
        try folder.write("app.env", "COLOUR=blue\n")
        try folder.write("settings", "a = 1\n")
        app = try ControlledDaemon(
            ["/bin/sh", "app.sh", "settings", "no-file"],
            options: ["-w", "2", "--chdir", folder.path, "--env-file", "\(folder.path)/app.env"])
        try app.daemon.next("pool_ready")
    }

    /// Reloads, and returns the generation that the log says was the same.
    private func reload() throws -> Double? {
        let before = app.daemon.records("reload_unchanged").count
        let end = try app.ask("reload")
        #expect(end.outcome == "failed", "\(end)")
        try app.daemon.next("reload_reverted")
        return app.daemon.records("reload_unchanged").dropFirst(before).first?.number("same_as")
    }

    @Test func whatFailedIsKnownAgain() throws {
        #expect(try reload() == nil)
        #expect(try reload() == 2)
        #expect(try reload() == 3)
        // How it was asked for makes no difference.
        app.daemon.signal(SIGHUP)
        let record = try app.daemon.next("reload_unchanged")
        #expect(record.number("same_as") == 4 && record.generation == 5 && record.level == "warning")
        try app.daemon.next("reload_reverted")
        try app.daemon.endsClean()
    }

    @Test func anyChangeIsNew() throws {
        let changes: [(String, () throws -> Void)] = [
            ("program's file", { try folder.write("app.sh", Self.broken + "# new\n") }),
            ("argument's file", { try folder.write("settings", "a = 2\n") }),
            ("environment", { try folder.write("app.env", "COLOUR=red\n") }),
            ("file that an argument names now", { try folder.write("no-file", "") }),
            ("directory", { try folder.write("module", "") }),
        ]
        #expect(try reload() == nil)
        for (what, change) in changes {
            try change()
            #expect(try reload() == nil, "\(what)")
            #expect(try reload() != nil, "\(what)")
        }
        // Other words are another program.
        #expect(try app.ask("reload", ["arguments": ["app.sh", "other"]]).outcome == "failed")
        #expect(app.daemon.records("reload_unchanged").count == changes.count)
        try app.daemon.endsClean()
    }

    @Test func whoWaitsIsTold() throws {
        #expect(try reload() == nil)
        let waiting = try app.connect()
        try waiting.send("reload")
        let (events, end) = try waiting.answer()
        #expect(end.outcome == "failed")
        #expect(
            events.first?.string("event") == "reload_unchanged" && events.first?.number("same_as") == 2, "\(events)")
        try app.daemon.endsClean()
    }

    /// A generation that was good, or was not tried to its end, is not marked.
    @Test func aGoodGenerationIsNotMarked() throws {
        try folder.write("app.sh", "echo READY=1 >&$READY_FD; exec sleep 1000\n")
        for _ in 0..<2 { #expect(try app.ask("reload").outcome == "done") }
        #expect(app.daemon.records("reload_unchanged").isEmpty)
        try app.daemon.endsClean()
    }
}
