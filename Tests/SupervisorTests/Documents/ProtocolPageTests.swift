// reloaderd-control(7) names each member of an answer, and no member that never comes.
import Foundation
import Testing

@testable import Supervisor

@Suite struct ProtocolPageTests {
    @Test func statusHasTheMembersOfItsPage() throws {
        var members: Set<String> = []
        for status in [try statusOfARoll(), try statusOfAFailingPool(), try statusOfLeftovers()] {
            var fields = status.fields
            let last = fields.updateValue(NSNull(), forKey: "last_reload") as? [String: Any]
            if let last { #expect(Set(last.keys).subtracting(["by"]).isSubset(of: try named(in: "reload")), "\(last)") }
            members.formUnion(Self.members(of: fields))
        }
        try expect(
            members, in: "status",
            values: [
                "running", "drained", "stopping", "pss", "forward", "revert", "promote", "serving", "kept", "bad",
                "listen", "shared", "own", "starting", "soaking", "emptying", "draining", "killed", "stopped", "by",
            ])
    }

    @Test func historyHasTheMembersOfItsPage() throws {
        let folder = try TestFolder()
        let script = try folder.write("app.sh", "echo READY=1 >&$READY_FD; exec sleep 1000\n")
        let app = try ControlledDaemon(["/bin/sh", script], options: ["--workers", "1"], in: folder)
        try app.daemon.next("pool_ready")
        app.daemon.signal(SIGHUP)
        try app.daemon.next("reload_done")
        try folder.write("app.sh", "echo broken >&2; exit 3\n")
        let failed = try app.ask("reload", ["note": "a try"])
        #expect(failed.outcome == "failed")
        #expect(Self.members(of: failed.fields).isSubset(of: try named(in: "reload")), "\(failed)")
        try expect(
            Self.members(of: try app.ask("history").fields), in: "history",
            values: ["start", "reload", "rollback", "unknown", "refused", "HUP"])
        app.daemon.signal(SIGQUIT)
        #expect(try app.daemon.end() == 0)
    }

    @Test func logsHaveTheMembersOfTheirPage() throws {
        let told = try ControlledDaemon(
            Apps.shell("echo hello; echo READY=1 >&$READY_FD; exec sleep 1000"), options: ["--workers", "1"])
        try told.daemon.next("pool_ready")
        let silent = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1", "--output", "inherit"])
        try silent.daemon.next("pool_ready")
        let members = try [told, silent].map { Self.members(of: try $0.ask("logs").fields) }
        try expect(members[0].union(members[1]), in: "logs", values: ["stdout", "stderr", "follow"])
        for app in [told, silent] { try app.daemon.endsClean() }
    }

    @Test func boundsAreThoseOfThePage() throws {
        let page = try Self.page().split { $0 == "\n" || $0 == " " }.joined(separator: " ")
        for bound in [
            "nested deeper than \(JSONReader.depthMax) levels",
            "longer than \(ControlLimits.requestBytesMax >> 10) KiB",
            "\(ControlLimits.clientsMax) clients are connected",
            "\(ControlLimits.waitingBytesMax >> 20) MiB wait",
            "more than \(ControlLimits.followerBytesMax >> 10) KiB would wait",
            "at most \(Emptying.holdersShown) of those connections",
            "string of 1 to \(ControlLimits.noteScalarsMax) characters",
            "1 to \(ControlLimits.historyMax); \(ControlLimits.historyMax) by default",
            "as events, at most \(RecentRecords.recordsMax)",
        ] {
            #expect(page.contains(bound), "\(bound)")
        }
    }

    // MARK: answers with as much in them as there can be

    /// A paused roll to generation 3, while a request holds a worker of generation 1.
    private func statusOfARoll() throws -> ControlLine {
        let folder = try TestFolder()
        let port = try Network.freePort()
        let gate = try Gate(in: folder)
        let app = try ControlledDaemon(
            SharedProgram.threaded.words(port, in: folder), options: ["--workers", "1"], in: folder)
        try app.daemon.next("pool_ready")
        let asker = try Asker(port, asking: "/gate?\(gate.path)")
        _ = try Asker(port, asking: "/").answer()
        #expect(try app.ask("reload").outcome == "done")
        try app.daemon.next("drain_waits")
        #expect(try app.ask("pause").isOK)
        #expect(try app.ask("reload", ["wait": false]).outcome == "begun")
        let status = try app.ask("status")
        gate.letPass()
        #expect(try asker.answer()?.generation == 1)
        app.daemon.signal(SIGQUIT)
        #expect(try app.daemon.end() == 0)
        return status
    }

    private func statusOfAFailingPool() throws -> ControlLine {
        let app = try ControlledDaemon(
            Apps.shell("exit 3"), options: ["--workers", "1", "--backoff", "1h", "--backoff-cap", "1h"])
        try app.daemon.next("worker_failed")
        let status = try app.ask("status")
        app.daemon.signal(SIGQUIT)
        #expect(try app.daemon.end() == 0)
        return status
    }

    /// Its first worker has ended, and a child of it goes on.
    private func statusOfLeftovers() throws -> ControlLine {
        let app = try ControlledDaemon(
            Apps.shell(
                """
                [ $RELOADERD_GENERATION = 1 ] || { echo READY=1 >&$READY_FD; exec sleep 1000; }
                sh -c "trap '' TERM; echo READY=1 >&$READY_FD; exec sleep 1000" & exec sleep 1000
                """), options: ["--workers", "1", "--stop-timeout", "1h", "--no-share", "--ready", "message"])
        try app.daemon.next("pool_ready")
        app.daemon.signal(SIGHUP)
        try app.daemon.next("leftovers")
        let status = try app.ask("status")
        app.daemon.signal(SIGQUIT)
        #expect(try app.daemon.end() == 0)
        return status
    }

    // MARK: the page

    private func expect(
        _ members: Set<String>, in section: String, values: Set<String>,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let named = try named(in: section)
        #expect(members.subtracting(named) == [], "the page does not name these", sourceLocation: sourceLocation)
        #expect(
            named.subtracting(members).subtracting(values) == [], "these never come", sourceLocation: sourceLocation)
    }

    /// All that a section sets as literal text, but for the arguments of its verb.
    private func named(in section: String) throws -> Set<String> {
        let lines = try Self.page().split(separator: "\n")
        let start = try #require(lines.firstIndex(of: ".Ss \(section)")) + 1
        let own = lines[start...].prefix { !$0.hasPrefix(".Ss ") && !$0.hasPrefix(".Sh ") }
        return Set(
            own.filter { $0.hasPrefix(".") && !$0.hasSuffix(" ?") }
                .flatMap { $0.matches(of: #/\bQl (\S+)/#).map { String($0.1) } })
    }

    private static func page() throws -> String {
        try String(contentsOfFile: "\(Products.package)/man/reloaderd-control.7", encoding: .utf8)
    }

    private static func members(of value: Any) -> Set<String> {
        switch value {
        case let list as [Any]: list.reduce(into: []) { $0.formUnion(members(of: $1)) }
        case let object as [String: Any]:
            object.reduce(into: []) { members, member in
                if !["type", "ok"].contains(member.key) { members.insert(member.key) }
                members.formUnion(Self.members(of: member.value))
            }
        default: []
        }
    }
}
