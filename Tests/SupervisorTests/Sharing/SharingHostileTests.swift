// Workers that treat bind and listen as nobody should: the daemon stays up, and others are served meanwhile.
import Glibc
import Testing

@Suite(.serialized) struct SharingHostileTests {
    /// Slot 0 is hostile, the others serve. While it does what it does, all requests are answered and a reload
    /// succeeds.
    @Test(arguments: ["hammer", "garbage", "fork"])
    func othersAreServed(_ way: String) throws {
        // Garbage may be the name of a unix socket.
        let folder = try TestFolder()
        let (port, own) = (try Network.freePort(), try Network.freePort())
        let daemon = try DaemonUnderTest(
            ["--workers", "3", "--drain-timeout", "1s"] + (try Self.program(way, port, own)), directory: folder.path)
        try daemon.ready(3)
        let client = try SharingLoad.client(port)
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        while !daemon.otherLines.contains("hostile: done") { try daemon.nextLine() }
        let report = try SharingLoad.report(of: client)
        #expect(report.failed == 0, "\(report.columns) \(report.failures)")
        #expect(Set(report.workers.map(\.slot)) == [1, 2], "\(report.workers)")
        #expect(Set(report.workers.map(\.generation)).contains(2))
        #expect(daemon.records("steering_failed").isEmpty)
        if !(try ListeningSockets.alone(daemon.pid).isEmpty) { try theLastOneIsNoticed(daemon, own) }
        try daemon.endsClean()
    }

    /// A socket was closed, or its process has ended, and nothing was bound since: that is noticed when somebody comes.
    private func theLastOneIsNoticed(_ daemon: DaemonUnderTest, _ port: Int) throws {
        let asker = try Asker(port, asking: "/")
        try daemon.next("worker_closed") { $0.slot == 0 }
        #expect(try asker.answer() == nil)
    }

    /// A worker that ends within its calls, again and again.
    @Test func callersThatEndAreForgotten() throws {
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--workers", "3", "--backoff", "1ms", "--backoff-cap", "1ms"]
                + (try Self.program("exit", port, try Network.freePort())))
        while Set(daemon.records("worker_ready").compactMap(\.slot)).isSuperset(of: [1, 2]) == false {
            try daemon.next("worker_ready")
        }
        let client = try SharingLoad.client(port)
        for _ in 0..<15 { try daemon.next("worker_exited") { $0.slot == 0 } }
        let report = try SharingLoad.report(of: client)
        #expect(report.failed == 0, "\(report.columns) \(report.failures)")
        #expect(Set(report.workers.map(\.slot)) == [1, 2])
        try daemon.endsClean()
    }

    private static func program(_ way: String, _ port: Int, _ own: Int) throws -> [String] {
        let (hostile, threads) = (try BuiltPrograms.c("hostile"), try BuiltPrograms.c("threads"))
        return Apps.shell(
            "[ $RELOADERD_SLOT = 0 ] && exec \(hostile) \(way) \(own) 7; exec \(threads) \(port)")
    }
}
