// The programs by which other tests attack do what their heads say: else those tests would prove nothing.
import Foundation
import Glibc
import Testing

@Suite(.enabled(if: Launcher.isRoot, "needs root, to be another user"))
struct HostileProgramTests {
    private func reader(of path: String) throws -> ChildProcess { try ChildProcess(["cat", path]) }

    // MARK: stuck files

    @Test(.enabled(if: StuckFiles.problem == nil, "needs /dev/fuse"))
    func aReaderOfAStuckFileCannotBeKilledUntilTheServerEnds() throws {
        let files = try StuckFiles()
        #expect(try CommandRun.run([files.path(of: .program)]).status == 0)
        try files.hold(.read, .plain)
        let victim = try reader(of: files.path(of: .plain))
        #expect(try files.nextHeld() == .init(operation: .read, file: .plain))
        victim.signal(SIGKILL)
        try ProcessView.waitUntilUnkillable(victim.pid)
        try files.fail()
        #expect(try victim.wait() == 128 + SIGKILL)
    }

    @Test(.enabled(if: StuckFiles.problem == nil, "needs /dev/fuse"), arguments: StuckFiles.Operation.allCases)
    func whatIsHeldGoesOnWhenItIsReleased(operation: StuckFiles.Operation) throws {
        let files = try StuckFiles()
        try files.hold(operation, .plain)
        let act = operation == .write ? "echo 1<>" : "cat <"
        let victim = try ChildProcess(["sh", "-c", "\(act)'\(files.path(of: .plain))'"])
        #expect(try files.nextHeld() == .init(operation: operation, file: .plain))
        try files.release()
        #expect(try victim.wait() == 0)
    }

    @Test(.enabled(if: StuckFiles.problem == nil, "needs /dev/fuse"))
    func aProgramOnStuckFilesDoesNotStart() throws {
        let files = try StuckFiles()
        try files.hold(.read, .program)
        let victim = try ChildProcess(["sh", "-c", "exec '\(files.path(of: .program))'"])
        #expect(try files.nextHeld() == .init(operation: .read, file: .program))
        try files.fail()
        #expect(try victim.wait() != 0)
    }

    // MARK: holding workers

    /// SIGKILL ends none of them before the file server ends.
    @Test(
        .enabled(if: StuckFiles.problem == nil, "needs /dev/fuse"),
        arguments: [HoldingWorker.Hold.bind, .send, .memory, .open])
    func aHoldingWorkerIsHeldItself(hold: HoldingWorker.Hold) throws {
        let files = try StuckFiles()
        try files.hold(hold == .open ? .flush : .read, .plain)
        let port = try Network.freePort()
        let worker = try ChildProcess(try HoldingWorker.words(hold, page: files.path(of: .plain), port: port))
        var client: Int32 = -1
        while hold == .send && client < 0 { client = Client.connected(.ipv4("127.0.0.1", port)) }
        defer { if client >= 0 { close(client) } }
        #expect(try worker.errors.next() == "holding")
        if hold == .open { worker.signal(SIGKILL) }
        _ = try files.nextHeld()
        worker.signal(SIGKILL)
        if hold == .memory {
            // A look into its memory waits for the lock until the page has come.
            let victim = try reader(of: "/proc/\(worker.pid)/environ")
            try files.release()
            _ = try victim.wait()
        } else {
            try files.fail()
        }
        #expect(try worker.wait() == 128 + SIGKILL)
    }

    @Test func aPageOfUserfaultfdDoesNotComeEither() throws {
        let worker = try ChildProcess(try HoldingWorker.words(.bind, page: nil, port: try Network.freePort()))
        #expect(try worker.errors.next() == "holding")
        #expect(try worker.errors.next() == "fault")
        worker.signal(SIGKILL)
        #expect(try worker.wait() == 128 + SIGKILL)
    }

    // MARK: neighbours

    @Test func aNeighbourStopsWhatIsNewOfItsUser() throws {
        let user = Neighbour.freshUser()
        let neighbour = try Neighbour(user: user, count: 1)
        let words = ["setpriv", "--reuid", "\(user)", "--regid", "\(user)", "--clear-groups", "sleep", "1000"]
        let victim = try ChildProcess(words)
        #expect(try neighbour.nextStopped() == victim.pid)
        victim.signal(SIGKILL)
        try victim.wait()
    }

    @Test func aStartIsStoppedBeforeTheProgram() throws {
        let user = Neighbour.freshUser()
        let starts = try StoppedStarts(user: user)
        try starts.stops(true)
        let words = ["setpriv", "--reuid", "\(user)", "--regid", "\(user)", "--clear-groups", "true"]
        let victim = try ChildProcess(starts.wrapper + ["sh", "-c", "\(words.joined(separator: " ")); exit $?"])
        let pid = try starts.nextStopped()
        let view = try ProcessView(pid)
        #expect(try #require(view.executable).hasSuffix("/setpriv"))
        try starts.stops(false)
        kill(pid, SIGCONT)
        #expect(try victim.wait() == 0)
    }
}
