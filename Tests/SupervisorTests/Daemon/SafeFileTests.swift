// Files that the daemon opens by name, after somebody else has put something in their place: it neither waits nor
// writes elsewhere, and says why.
import Foundation
import Testing

@testable import Supervisor

@Suite struct SafeFileTests {
    private let folder: TestFolder
    /// A directory in which everybody may write, as in /tmp.
    private let shared: String

    init() throws {
        folder = try TestFolder()
        try folder.write("target", "precious\n")
        shared = "\(folder.path)/shared"
        mkdir(shared, 0o777)
        chmod(shared, 0o1777)
    }

    private enum Way: CaseIterable {
        case appending
        case own
        case reading
    }

    /// The reason why it is refused; nil if it was opened.
    private func explanation(_ way: Way, _ path: String) -> String? {
        do throws(SystemError) {
            switch way {
            case .appending: _ = try SafeFile.appending(to: path)
            case .own: _ = try SafeFile.own(path)
            case .reading: _ = try SafeFile.reading(path)
            }
            return nil
        } catch { return error.reason }
    }

    // MARK: what is there

    @Test func aRegularFileIsOpened() throws {
        #expect(explanation(.appending, "\(folder.path)/target") == nil)
        #expect(explanation(.appending, "\(shared)/new") == nil)
        #expect(explanation(.own, "\(shared)/new") == nil)
        #expect(explanation(.reading, "\(shared)/new") == nil)
        #expect(folder.text(of: "target") == "precious\n")
        #expect(explanation(.appending, "\(folder.path)/nowhere/log") == "No such file or directory")
        #expect(explanation(.appending, "\(folder.path)/target/log") == "Not a directory")
        #expect(explanation(.appending, "") == "Invalid argument")
    }

    /// Without a reader, opening it would wait for ever.
    @Test func aFifoIsRefused() throws {
        for path in ["\(folder.path)/fifo", "\(shared)/fifo"] {
            mkfifo(path, 0o666)
            for way in Way.allCases {
                #expect(explanation(way, path) == "it is a FIFO, not a regular file")
            }
        }
    }

    @Test func devicesAreTheSystemsOwn() throws {
        #expect(explanation(.appending, "/dev/null") == nil)
        try folder.link("log", to: "/dev/full")
        #expect(explanation(.appending, "\(folder.path)/log") == nil)
        #expect(explanation(.own, "/dev/null") == "it is a device, not a regular file")
        guard Launcher.isRoot, mknod("\(shared)/null", S_IFCHR | 0o666, makedev(1, 3)) == 0 else { return }
        #expect(
            explanation(.appending, "\(shared)/null") == "it is a device, in a directory where others may write")
    }

    private func makedev(_ major: UInt64, _ minor: UInt64) -> dev_t { dev_t(major << 8 | minor) }

    /// The kernel's own links lead to what has no other name.
    @Test func standardStreamsHaveTheirNames() throws {
        for path in ["/dev/stdout", "/dev/stderr", "/proc/self/fd/1", "/dev/fd/2"] {
            #expect(explanation(.appending, path) == nil, "\(path)")
        }
        #expect(explanation(.own, "/proc/self/fd/1")?.hasSuffix("not a regular file") == true)
    }

    // MARK: links

    @Test func ownLinksAreFollowed() throws {
        try folder.link("one", to: "target")
        try folder.link("two", to: "\(folder.path)/one")
        try folder.link("here", to: ".")
        symlink("../target", "\(shared)/link")
        for path in ["one", "two", "here/../\(URL(fileURLWithPath: folder.path).lastPathComponent)/two", "shared/link"]
        {
            #expect(explanation(.appending, "\(folder.path)/\(path)") == nil, "\(path)")
        }
        try folder.link("loop", to: "loop")
        #expect(explanation(.appending, "\(folder.path)/loop") == "Too many levels of symbolic links")
    }

    /// The directory is root's, and its group as well; its access list lets somebody else write.
    @Test(.enabled(if: Launcher.isRoot), arguments: ["u:65534:wx", "g:65534:wx"])
    func anAccessListMakesADirectoryShared(entry: String) throws {
        let logs = "\(folder.path)/logs"
        mkdir(logs, 0o755)
        symlink("\(folder.path)/target", "\(logs)/log")
        lchown("\(logs)/log", Launcher.nobody, Launcher.nobody)
        #expect(explanation(.appending, "\(logs)/log") == nil)
        try AccessList.add(entry, to: logs)
        #expect(
            explanation(.appending, "\(logs)/log")
                == "the link 'log' belongs to user 65534, in a directory where others may write: it is not followed")
    }

    /// A user who may write into a directory can make its links lead anywhere.
    @Test(.enabled(if: Launcher.isRoot)) func linksOfOthersAreNotFollowed() throws {
        symlink("\(folder.path)/target", "\(shared)/log")
        symlink(folder.path, "\(shared)/folder")
        lchown("\(shared)/log", Launcher.nobody, Launcher.nobody)
        lchown("\(shared)/folder", Launcher.nobody, Launcher.nobody)
        try folder.link("to-it", to: "\(shared)/folder/target")
        func refusal(_ name: String) -> String {
            "the link '\(name)' belongs to user 65534, in a directory where others may write: it is not followed"
        }
        for way in Way.allCases {
            #expect(explanation(way, "\(shared)/log") == refusal("log"))
            #expect(explanation(way, "\(shared)/folder/target") == refusal("folder"))
            #expect(explanation(way, "\(folder.path)/to-it") == refusal("folder"))
        }
        // Links in a directory of their owner's need no sticky bit.
        chown(shared, Launcher.nobody, Launcher.nobody)
        chmod(shared, 0o755)
        #expect(explanation(.appending, "\(shared)/log") == refusal("log"))
        #expect(folder.text(of: "target") == "precious\n")
    }

    @Test(.enabled(if: Launcher.isRoot)) func secondNamesAreNotWrittenTo() throws {
        link("\(folder.path)/target", "\(shared)/log")
        let refusal = "the file has another name elsewhere, and is in a directory where others may write"
        #expect(explanation(.appending, "\(shared)/log") == refusal)
        #expect(explanation(.own, "\(shared)/log") == refusal)
        #expect(explanation(.appending, "\(folder.path)/target") == nil, "nobody else may write there")
    }

    @Test(.enabled(if: Launcher.isRoot)) func aPidFileOfAnotherUserIsNotOurs() throws {
        let path = try folder.write("shared/pid", "1\n")
        chown(path, Launcher.nobody, Launcher.nobody)
        #expect(
            explanation(.own, path) == "it belongs to user 65534, in a directory where others may write")
        #expect(explanation(.appending, path) == nil)
    }

    @Test func whatIsReplacedIsNotOpened() throws {
        mkfifo("\(shared)/history.new", 0o666)
        symlink("\(folder.path)/target", "\(shared)/history")
        try SafeFile.replace("\(shared)/other", with: Array("x".utf8), mode: 0o600)
        mkfifo("\(shared)/other.new", 0o666)
        try SafeFile.replace("\(shared)/other", with: Array("new".utf8), mode: 0o600)
        #expect(folder.text(of: "shared/other") == "new")
        #expect(!folder.contains("shared/other.new"))
    }

    // MARK: the daemon

    @Test func anOutputFileThatIsAFifoEndsTheStart() throws {
        let path = "\(folder.path)/log"
        mkfifo(path, 0o666)
        let words = ["--output", "file:\(path)", "--control", "none", "/bin/true"]
        let run = try CommandRun.reloaderd(words)
        #expect(run.status == 1)
        #expect(
            run.errors
                == "reloaderd: cannot open \(path) for workers' output: it is a FIFO, not a regular file\n")
        let check = try CommandRun.reloaderd(["--check"] + words)
        #expect(check.errors == "reloaderd: --output: cannot use \(path): it is a FIFO, not a regular file\n")
    }

    @Test func aPidFileThatIsAFifoEndsTheStart() throws {
        let path = "\(folder.path)/pid"
        mkfifo(path, 0o666)
        let words = ["--pid-file", path, "--control", "none", "/bin/true"]
        let run = try CommandRun.reloaderd(words)
        #expect(run.status == 1)
        #expect(run.errors == "reloaderd: cannot write the pid file \(path): it is a FIFO, not a regular file\n")
        let check = try CommandRun.reloaderd(["--check"] + words)
        #expect(check.errors == "reloaderd: --pid-file: cannot use \(path): it is a FIFO, not a regular file\n")
    }

    /// After the old log was moved away: a FIFO in its place stops nothing, and the log goes on where it is.
    @Test(arguments: [false, true]) func usr1MeetsAFifo(ownFile: Bool) throws {
        let log = try folder.write("log", "")
        let words =
            [Products.reloaderd, "--control", "none", "-w", "1"]
            + (ownFile ? ["--output", "file:\(log)"] : [])
            + Apps.shell("echo out; echo READY=1 >&$READY_FD; exec sleep 1000")
        let redirection = ownFile ? "" : " >>\(log) 2>&1"
        let daemon = try ChildProcess(["/bin/sh", "-c", "exec \"$@\"\(redirection)", "sh"] + words)
        let tail = try ChildProcess(["tail", "-n", "+1", "-f", log])
        func nextLine(_ word: String) throws -> String {
            while let line = try (ownFile ? daemon.errors : tail.output).next() {
                if line.contains(word) { return line }
            }
            throw DidNotHappen(description: "no \(word)")
        }
        _ = try nextLine("pool_ready")
        rename(log, "\(log).1")
        mkfifo(log, 0o666)
        daemon.signal(SIGUSR1)
        #expect(try nextLine("logs_not_reopened").contains("\(log): it is a FIFO, not a regular file"))
        daemon.signal(SIGHUP)
        _ = try nextLine("reload_done")
        daemon.signal(SIGTERM)
        #expect(try daemon.wait() == 0)
        #expect(folder.text(of: "log.1").contains("out\n"))
        #expect(!folder.text(of: "log.1").contains("logs_reopened"))
        tail.signal(SIGTERM)
        try tail.wait()
    }

    @Test(arguments: ["app.history", "app.history.new"]) func aHistoryThatIsAFifoStopsNobody(_ name: String) throws {
        try folder.write("state/x", "")
        mkfifo("\(folder.path)/state/\(name)", 0o666)
        let app = try ControlledDaemon(Apps.readyShell, options: ["-w", "1"], in: folder)
        try app.daemon.next("pool_ready")
        #expect(try app.ask("reload").outcome == "done")
        #expect(try app.ask("history").objects("entries").count == 2)
        #expect(try app.daemon.stop() == 0)
        let told = app.daemon.records("history_unavailable").map(\.message)
        if name == "app.history" {
            #expect(told.count == 1 && told.first?.contains("it is a FIFO, not a regular file") == true)
        } else {
            #expect(told.isEmpty)
            #expect(folder.text(of: "state/app.history").split(separator: "\n").count == 2)
        }
    }
}
