// What going back to a release can bring back, and what it can't: files changed in place, and links that lead
// elsewhere.
import Foundation
import Testing

@Suite struct ReleaseTests {
    /// As an interpreter's program is: named by an argument, and read again by each worker.
    private static let good = "echo \"release $1\" >&2; echo READY=1 >&$READY_FD; exec sleep 1000\n"
    private static let bad = "echo broken >&2; exit 3\n"

    private func verb(_ words: [String], of app: ControlledDaemon) throws -> CommandRun {
        try CommandRun.reloaderd(
            words, environment: ChildProcess.plainEnvironment + ControlledDaemon.environment(of: app.folder))
    }

    @Test func whatIsChangedInPlaceIsSaid() throws {
        let folder = try TestFolder()
        let script = try folder.write("app.sh", Self.good)
        let app = try ControlledDaemon(
            ["/bin/sh", script, "1"], options: ["--workers", "2", "--no-share"], in: folder)
        try app.daemon.next("pool_ready")
        func isTold(_ verb: String) throws -> Bool {
            try self.verb([verb], of: app).output.replacing("\n", with: " ").contains("\(script)")
                && self.verb([verb], of: app).output.contains("changed since it was made:")
        }
        #expect(try !isTold("history"))

        // The release is overwritten, and the new one does not start.
        try folder.write("app.sh", Self.bad)
        let reload = try verb(["reload"], of: app)
        #expect(reload.status == 1)
        let again = "every slot serves generation 1 again, but later changes to \(script) are not undone"
        #expect(reload.errors.contains(again))
        let reverted = try app.daemon.next("reload_reverted").message
        #expect(reverted.contains("generation 1 again, but later changes to \(script) are not undone"), "\(reverted)")
        for verb in ["status", "history"] { #expect(try isTold(verb), "\(verb)") }

        // A good one is deployed over it: what was is gone, and a rollback does not pretend otherwise.
        try folder.write("app.sh", Self.good + "#\n")
        #expect(try verb(["reload", "--note", "over it"], of: app).status == 0)
        let refused = try verb(["rollback"], of: app)
        #expect(refused.status == 1)
        #expect(refused.errors.hasPrefix("reloaderd: rollback refused: \(script) changed since generation 1 was made"))
        #expect(refused.errors.contains("--force") && refused.errorLines.count == 1)
        let forced = try verb(["rollback", "--force"], of: app)
        #expect(forced.status == 0 && forced.output.contains("\nnote: \(script) changed since generation 1 was made"))
        let history = try verb(["history"], of: app).output
        #expect(history.contains("note: over it") && history.contains("  rollback  done"), "\(history)")
        try app.daemon.endsClean()
    }

    /// A script is run by its path, whatever the interpreter is.
    @Test func aScriptIsNotPinned() throws {
        let folder = try TestFolder()
        let script = try folder.writeProgram("app", "#!/bin/sh\n" + Self.good)
        let app = try ControlledDaemon([script], options: ["--workers", "1", "--no-share"], in: folder)
        try app.daemon.next("pool_ready")
        try folder.writeProgram("app", "#!/bin/sh\n#\n" + Self.good)
        #expect(try verb(["reload"], of: app).status == 0)
        #expect(try verb(["rollback"], of: app).errors.contains("\(script) changed since generation 1"))
        try app.daemon.endsClean()
    }

    /// Directories of their own: nothing is changed, and what the link says is told.
    @Test func aLinkThatLeadsElsewhereIsSaid() throws {
        let folder = try TestFolder()
        for release in 1...3 {
            try folder.write("releases/\(release)/app.sh", release == 3 ? Self.bad : Self.good)
        }
        try folder.link("current", to: "releases/1")
        let app = try ControlledDaemon(
            ["/bin/sh", "app.sh", "x"],
            options: ["--workers", "1", "--no-share", "--chdir", "\(folder.path)/current"], in: folder)
        try app.daemon.next("pool_ready")
        try folder.link("current", to: "releases/2")
        #expect(try !verb(["reload"], of: app).output.contains("note: "))
        let back = try verb(["rollback"], of: app)
        #expect(back.status == 0, "\(back)")
        #expect(
            back.output.hasSuffix(
                "\nnote: current still points to releases/2, which a reload or a restart would start again\n"),
            "\(back)")
        let note = try app.daemon.next("release_note").message
        #expect(note == "current still points to releases/2, which a reload or a restart would start again")
        // That is just as true after a release that failed.
        try folder.link("current", to: "releases/3")
        let failed = try verb(["reload"], of: app)
        #expect(failed.status == 1 && failed.errors.contains("\nnote: current still points to releases/3, which "))
        try folder.link("current", to: "releases/1")
        #expect(try !verb(["rollback", "1"], of: app).output.contains("note: "))
        let history = try verb(["history"], of: app).output
        #expect(history.contains("/releases/1") && history.contains("/releases/2") && history.contains("/releases/3"))
        #expect(history.split(separator: "\n").filter { !$0.hasPrefix("      ") }.allSatisfy { $0.count <= 80 })
        try app.daemon.endsClean()
    }
}
