// A daemon with root's rights, and workers without: which privileged ports they get by it.
import Foundation
import Testing

@Suite(.enabled(if: Launcher.isRoot, "needs root"), .enabled(if: Namespaces.problem == nil))
struct SharingPrivilegedTests {
    /// A worker that was taken over binds what it likes. Its own port it has still, whoever takes it over from it.
    @Test(arguments: [[], ["unshare", "--user", "--map-root-user"]])
    func aReadyWorkerGetsNoPrivilegedPortOfItsChoice(_ wrapper: [String]) throws {
        let folder = try TestFolder()
        let (daemon, worker) = try Self.daemon(
            in: folder, ["--ready", "message"], under: wrapper, ["late", "80", "25", "8025"])
        for _ in 0..<2 {
            kill(worker, SIGUSR1)
            try daemon.lines(1, thatStartWith: "binds 8025: done")
        }
        try daemon.lines(2, thatStartWith: "binds 25: Permission denied")
        #expect(!daemon.otherLines.contains("binds 25: done"))
        let told = daemon.records("port_not_permitted")
        #expect(told.count == 1)
        #expect(told.first?.message.contains("--share 25") == true, "\(told)")
        kill(worker, SIGKILL)
        try daemon.next("worker_ready")
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        #expect(!daemon.otherLines.contains("serves 80: Permission denied"))
        try daemon.lines(3, thatStartWith: "serves 80: done")
        try daemon.endsClean()
    }

    @Test func aPortThatTheOperatorNamesIsBound() throws {
        let folder = try TestFolder()
        let (daemon, worker) = try Self.daemon(
            in: folder, ["--ready", "message", "--share", "25", "--share=udp"], ["late", "80", "25", "26"])
        kill(worker, SIGUSR1)
        try daemon.lines(1, thatStartWith: "binds 26: Permission denied")
        #expect(daemon.otherLines.contains("binds 25: done"))
        try daemon.endsClean()
    }

    /// It counts as ready when it listens, and may be about to listen on more.
    @Test func severalPortsOfAStartAreBound() throws {
        let folder = try TestFolder()
        let (daemon, _) = try Self.daemon(in: folder, [], ["two", "80", "443", "1023"])
        try daemon.lines(1, thatStartWith: "serves 1023: done")
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        try daemon.lines(2, thatStartWith: "serves 1023: done")
        for port in [80, 443, 1023] {
            #expect(daemon.otherLines.count { $0 == "serves \(port): done" } == 2, "\(daemon.otherLines)")
        }
        try daemon.endsClean()
    }

    /// A pool of one worker that is ready.
    ///
    /// - Parameters:
    ///   - folder: has the program, for as long as the daemon may start it.
    ///   - wrapper: words before the program.
    private static func daemon(
        in folder: TestFolder, _ options: [String], under wrapper: [String] = [], _ words: [String]
    ) throws -> (DaemonUnderTest, worker: Int32) {
        _ = try Launcher.copyForEverybody(to: folder)
        let program = try folder.copyProgram("awkward", from: try BuiltPrograms.c("awkward"))
        // A network of its own has all low ports free, and privileged as the kernel's default has it.
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--backoff", "1ms", "--user", "65534:65534"] + options + wrapper + [program] + words,
            under: ["unshare", "--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"])
        try daemon.next("pool_ready")
        return (daemon, try #require(daemon.records("worker_ready").last?.pid))
    }
}
