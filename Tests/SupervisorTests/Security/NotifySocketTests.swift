// The notify sockets of workers: the users who can send to one, descriptors that come with a message, and the files.
import Foundation
import Glibc
import Testing

@Suite struct NotifySocketTests {
    /// A pool of one worker, and the address of its notify socket.
    private func started(
        _ options: [String] = [], in folder: TestFolder? = nil
    ) throws -> (app: ControlledDaemon, address: String) {
        let app = try ControlledDaemon(
            Apps.shell("echo READY=1 >&$READY_FD; echo $NOTIFY_SOCKET; exec sleep 1000"),
            options: ["--workers", "1", "--ready", "message"] + options, in: folder)
        try app.daemon.next("pool_ready")
        return (app, try #require(try app.daemon.process.output.next()))
    }

    /// Another daemon with the same runtime directory.
    private func another(in folder: TestFolder) throws -> DaemonUnderTest {
        let daemon = try DaemonUnderTest(
            ["-w", "1"] + Apps.readyShell,
            environment: ChildProcess.plainEnvironment + ControlledDaemon.environment(of: folder))
        try daemon.next("pool_ready")
        return daemon
    }

    private func directories(in folder: TestFolder) -> [String] {
        let names = try? FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/run")
        return (names ?? []).filter { $0.hasPrefix("notify-") }
    }

    private func status(of path: String) throws -> stat {
        var status = stat()
        guard lstat(path, &status) == 0 else { throw DidNotHappen(description: "\(path) is not there") }
        return status
    }

    /// What the hostile sender says; it goes on keeping its peer until it is let go.
    private func attack(_ address: String, as user: [String] = []) throws -> (sender: ChildProcess, outcome: String?) {
        let folder = try TestFolder()
        chmod(folder.path, 0o755)
        let program = try folder.copyProgram("lingering", from: try BuiltPrograms.c("lingering"))
        let sender = try ChildProcess(user + [program, address])
        return (sender, try sender.output.next())
    }

    /// The kernel has SO_PASSRIGHTS (Linux 6.16).
    private static let kernelRefusesDescriptors: Bool = {
        let number = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(number) }
        var off: Int32 = 0
        return setsockopt(number, SOL_SOCKET, 83, &off, 4) == 0
    }()

    // MARK: senders

    @Test(.enabled(if: Launcher.isRoot, "needs root, to be another user"), arguments: [[], ["--user", "65533"]])
    func noOtherUserCanConnect(options: [String]) throws {
        let folder = try TestFolder()
        chmod(folder.path, 0o755)
        let (app, address) = try started(options, in: folder)
        let (sender, outcome) = try attack(address, as: Launcher.asNobody)
        #expect(outcome == "Permission denied")
        #expect(try app.ask("status").isOK)
        try app.daemon.endsClean()
        sender.closeInput()
        try sender.wait()
    }

    /// The last close of such a socket waits for ten minutes; the daemon does not.
    @Test(.enabled(if: kernelRefusesDescriptors, "needs SO_PASSRIGHTS"))
    func aLingeringSocketHoldsNobodyUp() throws {
        let (app, address) = try started()
        let (sender, outcome) = try attack(address)
        #expect(outcome == "Operation not permitted")
        #expect(try app.ask("status").isOK)
        #expect(try app.ask("reload").outcome == "done")
        try app.daemon.endsClean()
        sender.closeInput()
        try sender.wait()
    }

    // MARK: files

    @Test func aFileForEachWorkerThatGoesWithIt() throws {
        let folder = try TestFolder()
        let (app, address) = try started(in: folder)
        let directory = (address as NSString).deletingLastPathComponent
        #expect(directories(in: folder).map { "\(folder.path)/run/\($0)" } == [directory])
        #expect(try status(of: directory).st_mode & 0o7777 == 0o700)
        #expect(try status(of: address).st_mode == S_IFSOCK | 0o600)
        #expect(try app.ask("reload").outcome == "done")
        let second = try #require(try app.daemon.process.output.next())
        #expect(second != address)
        try app.daemon.gone(1, ofGeneration: 1)
        #expect(try app.ask("status").isOK)  // a turn later: it is forgotten
        let left = try FileManager.default.contentsOfDirectory(atPath: directory)
        #expect(left.map { "\(directory)/\($0)" } == [second])
        try app.daemon.endsClean()
        #expect(directories(in: folder).isEmpty)
    }

    @Test(.enabled(if: Launcher.isRoot, "needs root, to run workers as another user"))
    func theFileBelongsToTheWorkersUserAndTheDirectoryToTheDaemons() throws {
        let folder = try TestFolder()
        chmod(folder.path, 0o755)
        let (app, address) = try started(["--user", "65533"], in: folder)
        let directory = (address as NSString).deletingLastPathComponent
        #expect(directory.hasPrefix("\(folder.path)/run/"))
        #expect(try status(of: address).st_mode == S_IFSOCK | 0o600)
        #expect(try status(of: address).st_uid == 65533)
        #expect(try status(of: directory).st_uid == 0)
        #expect(try status(of: directory).st_mode & 0o7777 == 0o711)
        try app.daemon.endsClean()
        #expect(directories(in: folder).isEmpty)
    }

    /// A daemon that is killed removes nothing; the next one does, and leaves alone what a living one has.
    @Test func whatAKilledDaemonLeftIsRemovedByTheNext() throws {
        let folder = try TestFolder()
        let (living, address) = try started(in: folder)
        let killed = try another(in: folder)
        let worker = try #require(killed.records("worker_ready").first?.pid)
        #expect(directories(in: folder).count == 2)
        killed.signal(SIGKILL)
        try killed.process.wait()
        kill(worker, SIGKILL)
        let third = try another(in: folder)
        #expect(directories(in: folder).count == 2)
        #expect(try status(of: address).st_mode == S_IFSOCK | 0o600)
        try third.endsClean()
        try living.daemon.endsClean()
        #expect(directories(in: folder).isEmpty)
    }

    // MARK: places

    /// A path that a sockaddr_un can't hold.
    @Test func aRuntimeDirectoryWithALongPathIsNotUsed() throws {
        let folder = try TestFolder()
        let long = "\(folder.path)/\(String(repeating: "x", count: 60))"
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--ready", "message"] + ShownWorker.program + ["notify", "show", "wait"],
            environment: ChildProcess.plainEnvironment + ["RUNTIME_DIRECTORY=\(long)"])
        try daemon.next("pool_ready")
        let address = try #require(try daemon.shown().env["NOTIFY_SOCKET"])
        #expect(address.hasPrefix("/tmp/reloaderd-notify-"))
        try daemon.endsClean()
        #expect(!FileManager.default.fileExists(atPath: (address as NSString).deletingLastPathComponent))
    }

    @Test(.enabled(if: Launcher.isRoot, "needs root, to run workers as another user"))
    func aRuntimeDirectoryThatTheWorkersMayNotEnterIsNotUsed() throws {
        let folder = try TestFolder()
        let copies = try Launcher.copyForEverybody(to: folder)
        try folder.write("closed/run/file", "")
        chmod("\(folder.path)/closed", 0o700)
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--ready", "message", "--user", "65533"] + copies.worker + ["notify", "show", "wait"],
            environment: ChildProcess.plainEnvironment + ["RUNTIME_DIRECTORY=\(folder.path)/closed/run"])
        try daemon.next("pool_ready")
        #expect(try daemon.shown().env["NOTIFY_SOCKET"]?.hasPrefix("/tmp/reloaderd-notify-") == true)
        try daemon.endsClean()
    }

    /// The runtime directory suits the user of the first generation, and not that of the second.
    @Test(.enabled(if: Launcher.isRoot, "needs root, to run workers as another user"))
    func aReloadThatChangesTheUserMayNeedAnotherDirectory() throws {
        let folder = try TestFolder()
        let copies = try Launcher.copyForEverybody(to: folder)
        try folder.write("closed/run/file", "")
        chmod("\(folder.path)/closed", 0o700)
        try folder.write("conf", "ready message\n")
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--config", "\(folder.path)/conf"] + copies.worker + ["notify", "show", "wait"],
            environment: ChildProcess.plainEnvironment + ["RUNTIME_DIRECTORY=\(folder.path)/closed/run"])
        try daemon.next("pool_ready")
        let first = try #require(try daemon.shown().env["NOTIFY_SOCKET"])
        #expect(first.hasPrefix("\(folder.path)/closed/run/notify-"))
        try folder.write("conf", "ready message\nuser 65533\n")
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        let second = try #require(try daemon.shown().env["NOTIFY_SOCKET"])
        #expect(second.hasPrefix("/tmp/reloaderd-notify-"))
        try daemon.endsClean()
        for address in [first, second] {
            #expect(!FileManager.default.fileExists(atPath: (address as NSString).deletingLastPathComponent))
        }
    }

    @Test(.enabled(if: Launcher.isRoot && Namespaces.problem == nil, "needs a mount namespace"))
    func withoutAnyDirectoryTheLogSaysWhatThatCosts() throws {
        // Read-only, and not hidden: the checkout may be there.
        let script = """
            for folder in /tmp /dev/shm; do
                mount --bind $folder $folder && mount -o remount,ro,bind $folder || exit
            done
            exec "$@"
            """
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--ready", "message"] + ShownWorker.program + ["notify", "show", "wait"],
            environment: ChildProcess.plainEnvironment + ["RUNTIME_DIRECTORY=/proc/none"],
            under: ["unshare", "--mount", "/bin/sh", "-c", script, "sh"])
        let warning = try daemon.next("notify_unprotected")
        #expect(warning.level == "warning")
        #expect(warning.message.contains("/proc/none") && warning.message.contains("Read-only file system"))
        try daemon.next("pool_ready")
        #expect(try daemon.shown().env["NOTIFY_SOCKET"]?.hasPrefix("@") == true)
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        #expect(daemon.records("notify_unprotected").count == 1)
        #expect(try daemon.stop() == 0)
    }
}
