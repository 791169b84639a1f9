import Foundation
import Testing

/// Which daemon a verb talks to.
@Suite struct VerbFindingTests {
    private let folder: TestFolder

    init() throws { folder = try TestFolder() }

    private func run(_ words: [String]) throws -> CommandRun {
        try CommandRun.reloaderd(words, environment: FakeDaemon.environment(folder))
    }

    private static let paused = #"{"type":"result","ok":true}"#

    @Test func withoutAnyItSaysWhereItLooked() throws {
        // Root's directory is looked at too, and may have a daemon of this machine: the name makes the difference.
        let run = try run(["pause", "--name", "no-such-daemon"])
        #expect(run.status == 4)
        #expect(
            run.errors.hasPrefix("reloaderd: no daemon 'no-such-daemon' runs: no answer at no-such-daemon.sock in "))
        #expect(run.errors.contains(folder.path))
        #expect(run.errorLines.count == 1)
    }

    @Test func theOnlyOneIsMeant() throws {
        // A stale socket is nobody.
        try TestListener.leaveStale(at: "\(folder.path)/stale.sock")
        try folder.write("file.sock", "")
        #expect(try FakeDaemon(in: folder).answer(["pause"], Self.paused).run.status == 0)
    }

    @Test func ofSeveralNoneIsGuessed() throws {
        let daemons = try ["api", "web"].map { try FakeDaemon($0, in: folder) }
        let run = try run(["pause"])
        #expect(run.status == 64)
        #expect(run.errors == "reloaderd: 2 daemons run: api, web; choose one with --name\n")
        // They were looked at, and asked nothing.
        for daemon in daemons { #expect(throws: DidNotHappen.self) { try daemon.accept().request() } }
        #expect(try daemons[1].answer(["pause", "--name", "web"], Self.paused).run.status == 0)
    }

    /// Root's daemons do not make it unclear which one in the own directory is meant; where there is none, they count.
    @Test(.enabled(if: Namespaces.problem == nil))
    func theOwnDirectoryComesFirst() throws {
        let ofRoot = try TestFolder()
        let far = try FakeDaemon("far", in: ofRoot)
        let script =
            "mount -t tmpfs none /run && mkdir /run/reloaderd && mount --bind '\(ofRoot.path)' /run/reloaderd && exec \"$@\""
        func pause() throws -> ChildProcess {
            try ChildProcess(
                ["unshare", "--mount", "sh", "-c", script, "sh", Products.reloaderd, "pause"],
                environment: FakeDaemon.environment(folder))
        }
        func isAnswered(by daemon: FakeDaemon) throws {
            let client = try pause()
            let peer = try daemon.accept()
            #expect(try peer.request() == ["v": 1, "verb": "pause"])
            peer.say(Self.paused)
            #expect(try client.finished().status == 0)
        }
        try isAnswered(by: far)
        try isAnswered(by: FakeDaemon("near", in: folder))
    }

    @Test func aPathIsEnough() throws {
        let elsewhere = try TestFolder()
        let daemon = try FakeDaemon("other", in: elsewhere)
        let other = try FakeDaemon("web", in: folder)
        let path = "\(elsewhere.path)/other.sock"
        #expect(try daemon.answer(["pause", "--control", path], Self.paused).run.output == "paused\n")
        _ = other
    }

    @Test func aPathThatLeadsNowhereIsSaid() throws {
        for path in ["\(folder.path)/none.sock", "\(folder.path)/none/x", "/dev/null/x"] {
            let run = try run(["pause", "--control", path])
            #expect(run.status == 4)
            #expect(run.errorLines.count == 1)
            #expect(run.errors.hasPrefix("reloaderd: no daemon at \(path): "))
        }
        let long = "/" + String(repeating: "x", count: 200)
        #expect(try run(["pause", "--control", long]).status == 1)
    }

    @Test func aSocketThatIsNotOursIsNotAnAbsence() throws {
        try #require(geteuid() == 0, "only root can make a socket that another user may not write to")
        let daemon = try FakeDaemon(in: folder)
        chmod(folder.path, 0o755)
        chmod("\(folder.path)/web.sock", 0o600)
        let user = ["/usr/bin/setpriv", "--reuid", "65534", "--clear-groups", "--regid", "65534"]
        // The build is under /root on some machines, where nobody may go.
        let copy = try TestFolder()
        chmod(copy.path, 0o755)
        // By a process of its own: a child of another test could still hold a file open that this process wrote.
        try CommandRun.run(["/usr/bin/install", "-m", "755", Products.reloaderd, "\(copy.path)/reloaderd"])
        for words in [["pause"], ["pause", "--name", "web"], ["pause", "--control", "\(folder.path)/web.sock"]] {
            let run = try CommandRun.run(user + ["\(copy.path)/reloaderd"] + words, environment: daemon.environment)
            #expect(run.status == 1)
            #expect(run.errors.hasPrefix("reloaderd: may not talk to \(folder.path)/web.sock: Permission denied"))
        }
    }

    @Test func listShowsThoseThatAnswer() throws {
        try TestListener.leaveStale(at: "\(folder.path)/stale.sock")
        let daemons = try ["api", "web"].map { try FakeDaemon($0, in: folder) }
        for words in [["list"], ["list", "--json"]] {
            let client = try daemons[0].client(words)
            for (daemon, name) in zip(daemons, ["api", "web"]) {
                let peer = try daemon.accept()
                #expect(try peer.request() == ["v": 1, "verb": "status"])
                peer.say(VerbStatusTests.answer(name: name))
            }
            let run = try client.finished()
            #expect(run.status == 0)
            let lines = run.output.split(separator: "\n")
            if words.count == 2 {
                #expect(lines.map(String.init) == ["api", "web"].map { VerbStatusTests.answer(name: $0) })
            } else {
                #expect(lines.first == "NAME   PID  PHASE    WORKERS  GEN  SINCE                 PROGRAM")
                #expect(lines.dropFirst().first == "api   4242  running        2    2  2026-11-24 20:00:00Z  ./run")
                #expect(lines.count == 3)
            }
        }
    }

    /// A daemon that lives answers in milliseconds: one that does not is given up after ten seconds.
    @Test func aDaemonThatIsSilentIsGivenUp() throws {
        let daemon = try FakeDaemon(in: folder)
        let client = try daemon.client(["pause"])
        let peer = try daemon.accept()
        _ = try peer.request()
        let run = try client.finished()
        #expect(run.status == 4)
        #expect(run.errors.contains("web.sock does not answer: "))
        peer.hangUp()
    }
}
