// Which users may control a daemon, where its socket is, and what happens to both when things are not as they should
// be.
import Foundation
import Testing

@Suite struct ControlPeopleTests {
    /// The output of a client that runs as another user.
    private func ask(
        _ path: String, _ request: String = "{\"v\":1,\"verb\":\"status\"}", as words: [String]
    ) throws -> String {
        let code = """
            import socket, sys
            s = socket.socket(socket.AF_UNIX)
            try: s.connect(sys.argv[1])
            except OSError as e: sys.exit(type(e).__name__)
            try: s.sendall(sys.argv[2].encode() + b'\\n')
            except OSError: pass
            print(s.makefile().readline())
            """
        let run = try CommandRun.run(["setpriv"] + words + [Apps.python, "-ISc", code, path, request])
        return run.output + run.errors
    }

    private let nobody = ["--reuid", "65534", "--regid", "65534"]

    @Test(.enabled(if: Launcher.isRoot, "it takes root to become somebody else"))
    func othersAreKeptOut() throws {
        let app = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1"])
        try app.daemon.next("pool_ready")
        for folder in ["", "/run"] { chmod(app.folder.path + folder, 0o755) }
        #expect(try ask(app.path, as: nobody + ["--clear-groups"]).contains("PermissionError"))
        // They are refused even if the file's permissions let them in.
        chmod(app.path, 0o666)
        let answer = try ask(app.path, as: nobody + ["--clear-groups"])
        #expect(answer.contains("\"code\":\"forbidden\"") && answer.contains("user 65534 may not"), "\(answer)")
        #expect(try app.ask("status").isOK)
        try app.daemon.endsClean()
    }

    @Test(.enabled(if: Launcher.isRoot, "it takes root to become somebody else"))
    func aGroupMayBeLetIn() throws {
        let app = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1", "--control-group", "54321"])
        try app.daemon.next("pool_ready")
        for folder in ["", "/run"] { chmod(app.folder.path + folder, 0o755) }
        var status = stat()
        #expect(stat(app.path, &status) == 0)
        #expect(status.st_gid == 54321 && status.st_mode & 0o777 == 0o660)
        let member = ["--reuid", "65534", "--regid", "65534", "--groups", "7,54321"]
        let primary = ["--reuid", "65534", "--regid", "54321", "--clear-groups"]
        for words in [member, primary] {
            #expect(try ask(app.path, as: words).contains("\"type\":\"result\",\"ok\":true"))
        }
        chmod(app.path, 0o666)
        #expect(try ask(app.path, as: nobody + ["--groups", "7"]).contains("forbidden"))
        try app.daemon.endsClean()
    }

    /// What the daemon executes in its own place has its rights, and not those of who asks.
    @Test(.enabled(if: Launcher.isRoot, "it takes root to become somebody else"))
    func onlyItsUserNamesAnotherProgram() throws {
        let app = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1", "--control-group", "54321"])
        try app.daemon.next("pool_ready")
        for folder in ["", "/run"] { chmod(app.folder.path + folder, 0o755) }
        let member = nobody + ["--groups", "54321"]
        let named = try ask(app.path, "{\"v\":1,\"verb\":\"upgrade\",\"path\":\"/bin/true\"}", as: member)
        #expect(named.contains("\"code\":\"refused\"") && named.contains("only root and the daemon's user"), "\(named)")
        let own = try ask(app.path, "{\"v\":1,\"verb\":\"upgrade\"}", as: member)
        #expect(own.contains("\"outcome\":\"done\""), "\(own)")
        try app.daemon.endsClean()
        #expect(app.daemon.records("upgrade_asked").count == 1)
    }

    @Test func theSocketIsForItsOwnerAndGoesWithTheDaemon() throws {
        let app = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1"])
        try app.daemon.next("pool_ready")
        var status = stat()
        #expect(stat(app.path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        let files = try FileManager.default.contentsOfDirectory(atPath: "\(app.folder.path)/run")
        #expect(files.filter { !$0.hasPrefix("notify-") }.sorted() == ["app.keeper", "app.lock", "app.sock"])
        try app.daemon.endsClean()
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(app.folder.path)/run").isEmpty)
    }

    @Test func aSecondOfTheSameNameIsRefused() throws {
        let app = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1"])
        try app.daemon.next("pool_ready")
        let other = try ControlledDaemon(Apps.readyShell, in: app.folder)
        #expect(try other.daemon.end() == 1)
        let lines = other.daemon.otherLines
        #expect(
            lines == [
                "reloaderd: another reloaderd has the name app: pid \(app.daemon.pid) (stop it, or choose another "
                    + "--name or --control)"
            ])
        #expect(try app.ask("status").isOK)
        try app.daemon.endsClean()
    }

    /// Without a name of the user's choice there is room for both.
    @Test func aSecondOfTheSameProgramIsCalledOtherwise() throws {
        let folder = try TestFolder()
        let environment = ChildProcess.plainEnvironment + ControlledDaemon.environment(of: folder)
        func start() throws -> DaemonUnderTest {
            let daemon = try DaemonUnderTest(
                ["--workers", "1"] + Apps.readyShell, environment: environment, control: nil)
            try daemon.next("pool_ready")
            return daemon
        }
        let (first, second) = (try start(), try start())
        for (daemon, name) in [(first, "sh"), (second, "sh-\(second.pid)")] {
            let status = try ControlConversation("\(folder.path)/run/\(name).sock").ask("status")
            #expect(status.object("pool")["pid"] as? Int == Int(daemon.pid))
            #expect(status.object("pool")["name"] as? String == name)
        }
        try first.endsClean()
        try second.endsClean()
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/state") == ["sh.history"])
    }

    @Test func aPathOfItsOwn() throws {
        let folder = try TestFolder()
        let path = "\(folder.path)/here"
        let environment = ChildProcess.plainEnvironment + ControlledDaemon.environment(of: folder)
        let daemon = try DaemonUnderTest(
            ["--workers", "1"] + Apps.readyShell, environment: environment, control: path)
        try daemon.next("pool_ready")
        #expect(try ControlConversation(path).ask("status").isOK)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/run").allSatisfy {
                $0.hasPrefix("notify-")
            })
        try daemon.endsClean()
    }

    @Test func whatWasChosenMustWork() throws {
        let folder = try TestFolder()
        let file = try folder.write("file", "precious")
        let environment = ChildProcess.plainEnvironment + ControlledDaemon.environment(of: folder)
        for (path, reason) in [
            ("\(folder.path)/missing/socket", "No such file or directory"), (file, "the file there is not a socket"),
            ("\(folder.path)/" + String(repeating: "x", count: 120), "File name too long"),
        ] {
            let daemon = try DaemonUnderTest(Apps.readyShell, environment: environment, control: path)
            #expect(try daemon.end() == 1)
            #expect(daemon.otherLines.count == 1)
            let line = try #require(daemon.otherLines.first)
            #expect(line.hasPrefix("reloaderd: cannot open the control socket") && line.contains(reason), "\(line)")
        }
        #expect(folder.text(of: "file") == "precious")
    }

    /// No user has chosen these places: the pool matters more.
    @Test func folderThatCannotBeWrittenIsAWarning() throws {
        let folder = try TestFolder()
        // Not even root can make a folder below a file.
        try folder.write("run", "")
        try folder.write("state", "")
        let daemon = try ControlledDaemon(Apps.readyShell, options: ["--workers", "1"], in: folder).daemon
        try daemon.next("pool_ready")
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        try daemon.endsClean()
        let warnings = daemon.log.filter { $0.level == "warning" }.map { $0.event }
        #expect(warnings == ["control_unavailable", "history_unavailable"])
    }

    @Test func noneMeansNone() throws {
        let folder = try TestFolder()
        let environment = ChildProcess.plainEnvironment + ControlledDaemon.environment(of: folder)
        let daemon = try DaemonUnderTest(["--workers", "1"] + Apps.readyShell, environment: environment)
        try daemon.next("pool_ready")
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        try daemon.endsClean()
        // Notify sockets are no control socket; they are gone with the daemon.
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/run").isEmpty)
        #expect(!folder.contains("state"))
        #expect(daemon.log.allSatisfy { $0.level == "info" })
    }
}
