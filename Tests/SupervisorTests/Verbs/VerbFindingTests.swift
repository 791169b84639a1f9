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
            run.errors.hasPrefix(
                "reloaderd: no daemon 'no-such-daemon' is running: no control socket of this name answers in "))
        #expect(run.errors.contains(folder.path))
        #expect(run.errorLines.count == 1)
    }

    @Test func theOnlyOneIsMeant() throws {
        // A stale socket is no daemon.
        try TestListener.leaveStale(at: "\(folder.path)/stale.sock")
        try folder.write("file.sock", "")
        #expect(try FakeDaemon(in: folder).answer(["pause"], Self.paused).run.status == 0)
    }

    @Test func ofSeveralNoneIsGuessed() throws {
        let daemons = try ["api", "web"].map { try FakeDaemon($0, in: folder) }
        let run = try run(["pause"])
        #expect(run.status == 64)
        #expect(run.errors == "reloaderd: 2 daemons are running: api, web; choose one: reloaderd VERB NAME\n")
        // The daemons were found, and asked nothing.
        for daemon in daemons { #expect(throws: DidNotHappen.self) { try daemon.accept().request() } }
        #expect(try daemons[1].answer(["pause", "--name", "web"], Self.paused).run.status == 0)
    }

    /// Root's daemons do not make it unclear which one in the own directory is meant; if there is none, they count.
    @Test(.enabled(if: Namespaces.problem == nil))
    func theOwnDirectoryComesFirst() throws {
        let ofRoot = try TestFolder()
        let far = try FakeDaemon("far", in: ofRoot)
        let script =
            "mount -t tmpfs none /run && mkdir /run/reloaderd && mount --bind '\(ofRoot.path)' /run/reloaderd && "
            + "exec \"$@\""
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
        // On some machines the build is under /root, into which no other user may go.
        let copy = try TestFolder()
        chmod(copy.path, 0o755)
        // By a process of its own: a child of another test could still hold a file open that this process wrote.
        try CommandRun.run(["/usr/bin/install", "-m", "755", Products.reloaderd, "\(copy.path)/reloaderd"])
        for words in [["pause"], ["pause", "--name", "web"], ["pause", "--control", "\(folder.path)/web.sock"]] {
            let run = try CommandRun.run(user + ["\(copy.path)/reloaderd"] + words, environment: daemon.environment)
            #expect(run.status == 1)
            #expect(run.errors.hasPrefix("reloaderd: cannot connect to \(folder.path)/web.sock: Permission denied"))
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
                #expect(lines.prefix(2).map(String.init) == ["api", "web"].map { VerbStatusTests.answer(name: $0) })
                #expect(run.errors.contains("stale.sock: no process listens there"))
            } else {
                // Lines about daemons of this machine, in root's directory, may follow.
                let head = lines.first.map(String.init) ?? ""
                let words = head.split(separator: " ")
                #expect(words == ["NAME", "PID", "PHASE", "READY", "GEN", "UP", "PORTS", "PROGRAM"])
                let row = lines.dropFirst().first?.split(separator: " ") ?? []
                #expect(
                    Array(row.prefix(5)) == ["api", "4242", "running", "1/2", "2"] && row.last == "./run", "\(row)")
                #expect(lines.contains { $0.hasPrefix("stale ") && $0.contains(" gone ") })
                #expect(run.flat.contains("stale.sock: no process listens there"))
                #expect(lines.allSatisfy { $0.count <= 80 }, "\(run.output)")
            }
        }
    }

    /// A daemon that is stopped, and one that may not be asked, are listed all the same.
    @Test func listShowsThoseThatDoNotAnswer() throws {
        let silent = try FakeDaemon("silent", in: folder)
        let strict = try FakeDaemon("strict", in: folder)
        let client = try strict.client(["list"])
        let peer = try strict.accept()
        _ = try peer.request()
        peer.say(#"{"type":"error","code":"forbidden","message":"user 7 may not"}"#)
        let run = try client.finished()
        #expect(run.status == 0)
        let lines = run.output.split(separator: "\n")
        #expect(lines.contains { $0.hasPrefix("silent ") && $0.contains(" silent ") }, "\(run.output)")
        #expect(run.flat.contains("silent.sock does not answer: the daemon may be stopped"))
        #expect(lines.contains { $0.hasPrefix("strict ") && $0.contains(" forbidden ") })
        #expect(run.output.contains("user 7 may not"))
        _ = silent
    }

    /// A user without a session has no XDG_RUNTIME_DIR, and finds their daemons all the same, in a folder of their own.
    @Test(.enabled(if: geteuid() == 0))
    func withoutARuntimeDirectoryBothSidesMeet() throws {
        let user = Int.random(in: 700_000..<2_000_000)
        let place = "/tmp/reloaderd-\(user)"
        defer { try? FileManager.default.removeItem(atPath: place) }
        let copy = try TestFolder()
        chmod(copy.path, 0o755)
        try CommandRun.run(["/usr/bin/install", "-m", "755", Products.reloaderd, "\(copy.path)/reloaderd"])
        let wrapper = ["/usr/bin/setpriv", "--reuid", "\(user)", "--regid", "\(user)", "--clear-groups"]
        func start() throws -> DaemonUnderTest {
            try DaemonUnderTest(
                ["--name", "app", "--no-share", "--workers", "1"] + Apps.readyShell,
                environment: ["PATH=/usr/bin:/bin"],
                under: wrapper, executable: "\(copy.path)/reloaderd", control: nil)
        }
        let daemon = try start()
        try daemon.next("pool_ready")
        var status = stat()
        #expect(lstat(place, &status) == 0 && status.st_mode & 0o7777 == 0o700 && Int(status.st_uid) == user)
        // A client that has one by now looks there too.
        for environment in [["PATH=/usr/bin:/bin"], ["PATH=/usr/bin:/bin", "XDG_RUNTIME_DIR=\(folder.path)"]] {
            let run = try CommandRun.run(
                wrapper + ["\(copy.path)/reloaderd", "status", "app"], environment: environment)
            #expect(run.status == 0, "\(run)")
        }
        try daemon.endsClean()

        // Neither side trusts what others have put there.
        try FileManager.default.removeItem(atPath: place)
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
        chmod(place, 0o777)
        let other = try start()
        let warning = try other.next("control_unavailable").message
        #expect(warning.contains("its directory is not safe: it belongs to user 0"), "\(warning)")
        try other.next("pool_ready")
        let run = try CommandRun.run(
            wrapper + ["\(copy.path)/reloaderd", "status", "app"], environment: ["PATH=/usr/bin:/bin"])
        #expect(run.status == 4 && !run.errors.contains(place), "\(run)")
        try other.endsClean()
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
