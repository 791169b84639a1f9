// Log files in directories that the workers' user may write: there, a worker could lead what root writes elsewhere.
import Foundation
import Testing

@Suite(.enabled(if: Launcher.isRoot, "it takes root to run workers as another user")) struct OutputFolderTests {
    private let folder: TestFolder

    init() throws {
        folder = try TestFolder()
        chmod(folder.path, 0o755)
    }

    enum Openness: CaseIterable {
        case owned, group, world, sticky, above, listedUser, listedGroup

        /// Makes the directory `logs`, which the user 65534 with the group 54321 may write in this way.
        fileprivate func make(in folder: TestFolder) throws {
            let path = "\(folder.path)/logs"
            mkdir(path, 0o755)
            switch self {
            case .owned: chown(path, Launcher.nobody, 0)
            case .group:
                chown(path, 0, 54321)
                chmod(path, 0o775)
            case .world: chmod(path, 0o777)
            case .sticky: chmod(path, 0o1777)
            case .listedUser: try AccessList.add("u:65534:wx", to: path)
            case .listedGroup: try AccessList.add("g:54321:wx", to: path)
            // The directory itself is root's, and can be moved away.
            case .above: chmod(folder.path, 0o777)
            }
        }
    }

    private let user = ["--user", "65534:54321"]

    @Test(arguments: Openness.allCases) func aStartThereIsRefused(_ openness: Openness) throws {
        try openness.make(in: folder)
        let words = ["--output", "file:\(folder.path)/logs/log", "--control", "none"] + user + ["/bin/true"]
        let run = try CommandRun.reloaderd(words)
        let reason =
            "workers run as user 65534, who may write into \(folder.path)\(openness == .above ? "" : "/logs") and put "
            + "another file in its place (choose a directory that only root may write)"
        #expect(run.status == 1)
        #expect(
            run.errors == "reloaderd: cannot open \(folder.path)/logs/log for workers' output: \(reason)\n")
        let check = try CommandRun.reloaderd(["--check"] + words)
        #expect(check.errors.contains("--output: cannot use \(folder.path)/logs/log: \(reason)"), "\(check.errors)")
        #expect(!folder.contains("logs/log"))
    }

    /// Entries for others, entries that do not let write, and those that the mask takes away.
    @Test func anAccessListThatLetsThemNotWriteIsNone() throws {
        mkdir("\(folder.path)/logs", 0o755)
        let words = ["--check", "--output", "file:\(folder.path)/logs/log", "--control", "none"] + user + ["/bin/true"]
        for (entries, isRefused) in [
            ("u:65533:wx,u:65534:rx,g:54320:wx", false), ("u:65534:wx,m::rx", false), ("m::rwx", true),
        ] {
            try AccessList.add(entries, to: "\(folder.path)/logs")
            let check = try CommandRun.reloaderd(words)
            #expect(check.errors.contains("who may write into") == isRefused, "\(entries): \(check.errors)")
        }
    }

    /// A sticky directory further up can't be used to move what is root's: /tmp is one.
    @Test func aStickyDirectoryOnTheWayIsNone() throws {
        mkdir("\(folder.path)/logs", 0o755)
        chmod(folder.path, 0o1777)
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--no-share", "--ready", "message", "--output", "file:\(folder.path)/logs/log"] + user
                + Apps.shell("echo word; echo READY=1 >&$READY_FD; exec sleep 1000"), directory: "/")
        try daemon.next("pool_ready")
        try daemon.endsClean()
        #expect(folder.text(of: "logs/log") == "word\n")
    }

    /// Root's own workers, and those of the daemon's own user, may do so anyway.
    @Test func withoutAnotherUserNothingIsRefused() throws {
        try Openness.world.make(in: folder)
        for words in [[], ["--user", "root"]] {
            let run = try CommandRun.reloaderd(
                ["--check", "--output", "file:\(folder.path)/logs/log", "--control", "none"] + words + ["/bin/true"])
            #expect(run.status == 0, "\(run.errors)")
        }
    }

    /// A hostile worker puts a file of its own in the place of the log after a rotation.
    @Test(arguments: [false, true]) func usr1GoesOnWithTheOldFile(ownFile: Bool) throws {
        let log = "\(folder.path)/logs/log"
        mkdir("\(folder.path)/logs", 0o755)
        try folder.write("logs/log", "")
        let gate = try Gate(in: folder)
        chmod(gate.path, 0o666)
        let words =
            [Products.reloaderd, "--control", "none", "-w", "1", "--no-share", "--ready", "message"] + user
            + (ownFile ? ["--output", "file:\(log)"] : [])
            + Apps.shell("echo READY=1 >&$READY_FD; read x <\(gate.path); echo later; exec sleep 1000")
        let redirection = ownFile ? "" : " >>\(log) 2>&1"
        let daemon = try ChildProcess(["/bin/sh", "-c", "cd /; exec \"$@\"\(redirection)", "sh"] + words)
        let tail = try ChildProcess(["tail", "-n", "+1", "-f", log])
        func nextLine(_ word: String, of reader: LineReader) throws -> String {
            while let line = try reader.next() { if line.contains(word) { return line } }
            throw DidNotHappen(description: "no \(word)")
        }
        let records = ownFile ? daemon.errors : tail.output
        _ = try nextLine("pool_ready", of: records)
        // The operator gives the directory to the worker by mistake, and it uses that.
        chown("\(folder.path)/logs", Launcher.nobody, 0)
        rename(log, "\(log).1")
        try CommandRun.run(Launcher.asNobody + ["touch", log])
        #expect(folder.contains("logs/log"))
        daemon.signal(SIGUSR1)
        let told = try nextLine("logs_not_reopened", of: records)
        #expect(told.contains("workers run as user 65534, who may write into \(folder.path)/logs"), "\(told)")
        gate.letPass()
        _ = try nextLine("later", of: tail.output)
        daemon.signal(SIGTERM)
        #expect(try daemon.wait() == 0)
        #expect(folder.text(of: "logs/log.1").contains("later\n"))
        #expect(folder.text(of: "logs/log") == "")
        tail.signal(SIGTERM)
        try tail.wait()
    }
}
