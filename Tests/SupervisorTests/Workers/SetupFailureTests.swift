// A worker that cannot be set up: each step that the kernel refuses is named, with the reason and what to do.
import Foundation
import Testing

@Suite struct SetupFailureTests {
    /// Runs the daemon to its end and returns its status with what it said of the worker that failed.
    private func failure(
        _ words: [String], under launcher: [String] = [], executable: String = Products.reloaderd
    ) throws -> (status: Int32, message: String) {
        let daemon = try DaemonUnderTest(
            ["-w", "1"] + words, under: launcher.isEmpty ? [] : Launcher.words + launcher + ["--"],
            executable: executable)
        let failed = try daemon.next("worker_failed")
        return (try daemon.end(), failed.message)
    }

    /// As `failure`, with the daemon as a user without rights.
    private func failureWithoutRights(_ words: [String], limits: [String] = []) throws -> (
        status: Int32, message: String
    ) {
        let folder = try TestFolder()
        let copies = try Launcher.copyForEverybody(to: folder)
        return try failure(
            words + copies.worker + ["ready", "wait"],
            under: limits + ["user", "\(Launcher.nobody)", "\(Launcher.nobody)"], executable: copies.daemon)
    }

    @Test(.enabled(if: Launcher.isRoot))
    func whatTakesRootIsSaidSo() throws {
        let nice = try failureWithoutRights(["--nice", "-5"])
        #expect(nice.status == 126)
        #expect(nice.message.hasSuffix("setting its nice value: Permission denied (needs root)"), "\(nice.message)")

        let limit = try failureWithoutRights(["--rlimit", "nofile=4096"], limits: ["limit", "nofile", "256", "1024"])
        #expect(limit.status == 126)
        #expect(
            limit.message.hasSuffix("setting its resource limits: Operation not permitted (needs root)"),
            "\(limit.message)")

        let user = try failureWithoutRights(["--user", "root"])
        #expect(user.status == 126)
        #expect(user.message.hasSuffix("dropping groups: Operation not permitted (needs root)"), "\(user.message)")
    }

    /// Without root and without need of it: such options are no error.
    @Test(.enabled(if: Launcher.isRoot))
    func whatAUserMayDoItselfWorksWithoutRoot() throws {
        let folder = try TestFolder()
        let copies = try Launcher.copyForEverybody(to: folder)
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--nice", "5", "--rlimit", "nofile=512", "--rlimit", "core=0"] + copies.worker + [
                "show", "ready", "wait",
            ],
            under: Launcher.words + ["limit", "nofile", "256", "1024", "user", "65534", "65534", "--"],
            executable: copies.daemon)
        let worker = try daemon.shown()
        #expect(worker.nice == 5)
        #expect(worker.limits["nofile"] == [512, 512])
        #expect(worker.uid == Launcher.nobody)
        #expect(try daemon.stop() == 0)
    }

    @Test(.enabled(if: Launcher.isRoot))
    func aProgramThatOnlyRootMayRun() throws {
        let folder = try TestFolder()
        let program = try folder.write("secret", "#!/bin/sh\nexec sleep 1000\n")
        chmod(program, 0o700)
        let (status, message) = try failure(["--user", "nobody", program])
        #expect(status == 126)
        #expect(
            message
                == "cannot start worker: \(program): Permission denied (is it, or its interpreter, executable for the "
                + "user that workers run as?)"
        )
    }

    @Test(arguments: ["just text\n", "", "\u{7F}ELF not really"])
    func aFileThatIsNoProgram(_ contents: String) throws {
        let folder = try TestFolder()
        let program = try folder.write("text", contents)
        chmod(program, 0o755)
        let (status, message) = try failure([program])
        #expect(status == 126)
        #expect(
            message
                == "cannot start worker: \(program): Exec format error (not a program of this machine; "
                + "a script needs a #! line)"
        )
    }

    @Test func aScriptWithoutItsInterpreter() throws {
        let folder = try TestFolder()
        let program = try folder.write("script", "#!\(folder.path)/no-such-interpreter\n")
        chmod(program, 0o755)
        let (status, message) = try failure([program])
        #expect(status == 127)
        #expect(
            message
                == "cannot start worker: \(program): No such file or directory (or the interpreter that its first "
                + "line names is missing)"
        )
    }

    @Test func aDirectoryIsNoProgram() throws {
        let folder = try TestFolder()
        let run = try CommandRun.reloaderd([folder.path])
        #expect(run.status == 126)
        #expect(run.errorLines.count == 1)
        #expect(run.errors.hasPrefix("reloaderd: cannot start \(folder.path): Permission denied"))
    }

    @Test func aMissingWorkingDirectory() throws {
        let folder = try TestFolder()
        let run = try CommandRun.reloaderd(["--chdir", "\(folder.path)/gone", "/bin/true"])
        #expect(run.status == 1)
        #expect(
            run.errors == "reloaderd: cannot use the working directory \(folder.path)/gone: No such file or directory\n"
        )
    }

    /// execve(2) takes at most a quarter of the stack's limit, and never more than 6 MiB.
    @Test func anEnvironmentThatIsTooBig() throws {
        let folder = try TestFolder()
        let value = String(repeating: "x", count: 120_000)
        let file = try folder.write("big.env", (0..<30).map { "V\($0)=\(value)\n" }.joined())
        let (status, message) = try failure(
            ["--env-file", file, "/bin/true"], under: ["limit", "stack", "8388608", "8388608"])
        #expect(status == 126)
        #expect(
            message.hasSuffix(
                "/true: Argument list too long (arguments and environment together are too big for execve)"),
            "\(message)")
    }

    /// A set-up that fails only at a reload fails the reload, and nothing else.
    @Test(.enabled(if: Launcher.isRoot))
    func atAReloadTheOldGenerationServesOn() throws {
        let folder = try TestFolder()
        let program = try folder.write("app", "#!/bin/sh\necho >&3\nexec sleep 1000\n")
        chmod(program, 0o755)
        let daemon = try DaemonUnderTest(["-w", "2", "--user", "nobody", program])
        try daemon.next("pool_ready")
        chmod(program, 0o700)
        daemon.signal(SIGHUP)
        let failed = try daemon.next("reload_failed")
        #expect(
            failed.message.contains("Permission denied (is it, or its interpreter, executable for the user"),
            "\(failed)")
        #expect(daemon.records("worker_draining").isEmpty)
        chmod(program, 0o755)
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        #expect(try daemon.stop() == 0)
    }

    /// The directory and the program are pinned: workers come back in them when both have lost their names.
    @Test func aWorkingDirectoryThatVanishedIsStillThere() throws {
        let folder = try TestFolder()
        try folder.write("release/here", "")
        let daemon = try DaemonUnderTest(
            ["-w", "1", "--chdir", "\(folder.path)/release", "--backoff-reset", "0s"] + ShownWorker.showing)
        let before = try daemon.shown()
        #expect(before.cwd == "\(folder.path)/release")
        try FileManager.default.moveItem(atPath: "\(folder.path)/release", toPath: "\(folder.path)/moved")
        try daemon.next("pool_ready")
        kill(before.pid, SIGKILL)
        let after = try daemon.shown()
        #expect(after.pid != before.pid)
        #expect(after.cwd == "\(folder.path)/moved")
        #expect(try daemon.stop() == 0)
    }
}
