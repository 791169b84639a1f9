// New processes that are held up before they run their program: by a process of the workers' user that stops them, and
// by a file server that does not answer.
import Foundation
import Glibc
import Testing

@Suite(.enabled(if: Launcher.isRoot, "needs root, to run workers as another user"))
struct HeldStartTests {
    /// A pool whose starts can be stopped between setuid(2) and exec.
    private struct StoppablePool {
        /// Once it runs, it executes nothing more.
        private static let program = [
            Apps.python, "-ISc",
            "import os, signal; os.write(int(os.environ['READY_FD']), b'READY=1\\n'); signal.pause()",
        ]
        let user = Neighbour.freshUser()
        let starts: StoppedStarts
        let app: ControlledDaemon

        init(workers: Int, stopsAtOnce: Bool = false) throws {
            starts = try StoppedStarts(user: user)
            if stopsAtOnce { try starts.stops(true) }
            app = try ControlledDaemon(
                Self.program,
                options: ["-w", "\(workers)", "--user", "\(user)", "--no-share", "--ready", "message"],
                under: starts.wrapper)
            if !stopsAtOnce { try app.daemon.next("pool_ready") }
        }

        /// A reload that stands still, and the process that was stopped.
        func reloadUntilStopped() throws -> ProcessView {
            try starts.stops(true)
            app.daemon.signal(SIGHUP)
            let view = try ProcessView(try starts.nextStopped())
            #expect(try #require(view.executable).hasSuffix("/reloaderd"), "it has not run its program")
            return view
        }

        /// The daemon's children, stopped or not.
        func children() throws -> [Int32] { try HeldStartTests.children(of: app.daemon.pid) }
    }

    /// Without its keeper.
    private static func children(of pid: Int32) throws -> [Int32] {
        let text = try String(contentsOfFile: "/proc/\(pid)/task/\(pid)/children", encoding: .utf8)
        return text.split(separator: " ").compactMap { Int32($0) }.filter {
            (try? String(contentsOfFile: "/proc/\($0)/comm", encoding: .utf8)) != "reloaderd-keep\n"
        }
    }

    // MARK: stopped

    @Test func aStoppedStartHoldsUpNobodyElse() throws {
        let pool = try StoppablePool(workers: 2)
        let stopped = try pool.reloadUntilStopped()
        #expect(try pool.app.ask("status").isOK)
        try pool.starts.stops(false)
        // The other slot crashes, and comes back beside it.
        let other = try #require(pool.app.daemon.records("worker_ready").first { $0.slot == 1 }?.pid)
        kill(other, SIGKILL)
        let back = try pool.app.daemon.next("worker_ready")
        #expect(back.slot == 1 && back.generation == 1)
        #expect(stopped.isAlive)
        kill(stopped.pid, SIGCONT)
        try pool.app.daemon.next("reload_done")
        #expect(pool.app.daemon.records("worker_ready").contains { $0.pid == stopped.pid && $0.generation == 2 })
        try pool.app.daemon.endsClean()
    }

    @Test func oneThatStaysStoppedFailsTheReload() throws {
        let pool = try StoppablePool(workers: 1)
        let stopped = try pool.reloadUntilStopped()
        let failed = try pool.app.daemon.next("reload_failed")
        #expect(failed.message.contains("the new process was stopped and did not go on within 10."))
        try stopped.waitForEnd()
        #expect(try pool.app.ask("status").isOK)
        try pool.starts.stops(false)
        #expect(try pool.app.ask("reload").outcome == "done")
        #expect(try !pool.children().contains(stopped.pid))
        try pool.app.daemon.endsClean()
    }

    @Test(arguments: [SIGTERM, SIGQUIT]) func aStopDoesNotWaitForIt(signal: Int32) throws {
        let pool = try StoppablePool(workers: 1)
        let stopped = try pool.reloadUntilStopped()
        try pool.app.daemon.endsClean(by: signal)
        try stopped.waitForEnd()
        #expect(pool.app.daemon.records("worker_started").count == 1)
    }

    @Test func oneThatIsKilledFailsTheReload() throws {
        let pool = try StoppablePool(workers: 1)
        let stopped = try pool.reloadUntilStopped()
        try pool.starts.stops(false)
        kill(stopped.pid, SIGKILL)
        let failed = try pool.app.daemon.next("reload_failed")
        #expect(failed.message.contains("the new process was killed by signal 9"))
        try pool.app.daemon.next("reload_reverted")
        try pool.app.daemon.endsClean()
    }

    @Test func eightAreSetUpAtOnceAndTheOthersWait() throws {
        let pool = try StoppablePool(workers: 10, stopsAtOnce: true)
        let stopped = try (1...8).map { _ in try pool.starts.nextStopped() }
        #expect(try pool.app.ask("status").isOK)
        #expect(try pool.children().sorted() == stopped.sorted())
        try pool.starts.stops(false)
        for pid in stopped { kill(pid, SIGCONT) }
        try pool.app.daemon.next("pool_ready")
        #expect(pool.app.daemon.records("worker_ready").count == 10)
        try pool.app.daemon.endsClean()
    }

    /// It shares the memory of the daemon, and has its descriptors.
    @Test func itsOwnUserCannotReachIntoIt() throws {
        let pool = try StoppablePool(workers: 1)
        let worker = try #require(pool.app.daemon.records("worker_ready").first?.pid)
        let stopped = try pool.reloadUntilStopped()
        let folder = try TestFolder()
        chmod(folder.path, 0o755)
        let program = try folder.copyProgram("reach", from: try BuiltPrograms.c("reach"))
        func waysInto(_ pid: Int32) throws -> String {
            let user = ["setpriv", "--reuid", "\(pool.user)", "--regid", "\(pool.user)", "--clear-groups"]
            return try CommandRun.run(user + [program, "\(pid)"]).output
        }
        #expect(try waysInto(stopped.pid) == "nothing\n")
        #expect(try waysInto(worker).contains("memory\n"))
        try pool.app.daemon.endsClean()
    }

    // MARK: on a dead file server

    private func poolOnStuckFiles() throws -> (files: StuckFiles, app: ControlledDaemon, starting: ProcessView) {
        let files = try StuckFiles(program: "/bin/sleep")
        let app = try ControlledDaemon(
            [files.path(of: .program), "1000"], options: ["-w", "2", "--no-share", "--ready", "10ms"])
        try app.daemon.next("pool_ready")
        try files.hold(.open, .program)
        let worker = try #require(app.daemon.records("worker_ready").first { $0.slot == 0 }?.pid)
        kill(worker, SIGKILL)
        try files.nextHeld()
        let others = app.daemon.records("worker_ready").compactMap { $0.pid }
        let children = try Self.children(of: app.daemon.pid)
        return (files, app, try ProcessView(try #require(children.first { !others.contains($0) })))
    }

    @Test(.enabled(if: StuckFiles.problem == nil, "needs /dev/fuse"))
    func aProgramThatNeverComesFailsItsStart() throws {
        let (files, app, starting) = try poolOnStuckFiles()
        #expect(try app.ask("status").isOK)
        let failed = try app.daemon.next("worker_failed") { $0.message.contains("cannot start worker") }
        #expect(failed.message.contains("the new process did not come to run the program within 10."))
        // It was killed, and is still there: nothing that it uses was freed.
        try ProcessView.waitUntilUnkillable(starting.pid)
        #expect(try app.ask("status").isOK)
        try files.release()
        try starting.waitForEnd()
        try app.daemon.next("worker_ready") { $0.slot == 0 }
        try app.daemon.endsClean()
    }

    @Test(.enabled(if: StuckFiles.problem == nil, "needs /dev/fuse"))
    func aStopDoesNotWaitForAProgramThatNeverComes() throws {
        let (files, app, starting) = try poolOnStuckFiles()
        app.daemon.signal(SIGTERM)
        #expect(try app.daemon.process.wait() == 0)
        try ProcessView.waitUntilUnkillable(starting.pid)
        try files.fail()
        try starting.waitForEnd()
    }
}
