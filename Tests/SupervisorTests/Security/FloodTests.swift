// Whatever is said again and again, by workers or by clients, costs the daemon no more than if it were said once.
import Foundation
import Glibc
import Testing

@testable import Supervisor

@Suite struct FloodTests {
    @Test func eachKindOfMessageCountsOnceARead() {
        var messages = WorkerMessages()
        for number in 0..<65_536 {
            messages.add(.status("\(number)"))
            messages.add(.stopping)
            messages.add(.heartbeat)
            messages.add(.extendTimeout(.seconds(number)))
            messages.add(.ready)
        }
        #expect(messages.all == [.status("65535"), .ready, .extendTimeout(.seconds(65_535)), .heartbeat, .stopping])
        #expect(WorkerMessages().all.isEmpty)
    }

    @Test(arguments: ["ready", "notify"])
    func theLastStatusOfAReadIsToldOnce(channel: String) throws {
        let send = "import os, socket; text = b'STATUS=one\\nSTATUS=two\\nREADY=1\\nSTATUS=three\\n'; "
        let ways = [
            "ready": "os.write(int(os.environ['READY_FD']), text); ",
            "notify": "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(text, os.environ['NOTIFY_SOCKET']); ",
        ]
        let folder = try TestFolder()
        let app = try ControlledDaemon(
            [Apps.python, "-ISc", send + (ways[channel] ?? "") + "import time; time.sleep(1000)"],
            options: ["--workers", "1", "--ready", "message"], in: folder)
        try app.daemon.next("pool_ready")
        #expect(try app.ask("status").workers.first?["status"] as? String == "three")
        #expect(app.daemon.records("worker_status").compactMap { $0.text("status") } == ["three"])
        try app.daemon.endsClean()
    }

    @Test func anAddressIsToldOnceHoweverOftenTheWorkerListens() throws {
        let port = try Network.freePort()
        let code = """
            import os, socket, time
            s = socket.socket()
            s.bind(("127.0.0.1", \(port)))
            for _ in range(50): s.listen(16)
            os.write(2, b"done\\n")
            time.sleep(1000)
            """
        let daemon = try DaemonUnderTest(["-w", "1", Apps.python, "-ISc", code])
        try daemon.lines(1, thatStartWith: "done")
        try daemon.hearsAll()
        #expect(daemon.records("worker_listening").count == 1)
        try daemon.endsClean()
    }

    /// Calls of read(2) that the daemon has made. A status of a pool reads some files of /proc for each worker.
    private func reads(of pid: Int32) throws -> Int {
        let text = try String(contentsOfFile: "/proc/\(pid)/io", encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("syscr: ") })
        return try #require(Int(line.dropFirst("syscr: ".count)))
    }

    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/proc/self/io"), "needs /proc/PID/io"))
    func thoseWhoAskInOneTurnShareAStatus() throws {
        let app = try ControlledDaemon(Apps.readyShell, options: ["--workers", "4"])
        try app.daemon.next("pool_ready")
        let clients = try (0..<40).map { _ in try app.connect() }
        // They are let in, and what is read only once has been read.
        for client in clients { #expect(try client.ask("status").isOK) }
        let start = try reads(of: app.daemon.pid)
        #expect(try clients[0].ask("status").isOK)
        let one = try reads(of: app.daemon.pid) - start
        #expect(one >= 4)

        try ProcessGroup.stop(app.daemon.pid)
        for client in clients { try client.send("status") }
        app.daemon.signal(SIGCONT)
        for client in clients { #expect(try client.answer().end.isOK) }
        let all = try reads(of: app.daemon.pid) - start - one
        #expect(all < 10 * one, "40 clients cost \(all) reads, one costs \(one)")
        try app.daemon.endsClean()
    }

    /// What the daemon opens for itself is no listener that somebody has promised.
    @Test func aSocketThatIsNotThereIsNotReplacedByTheOutputFile() throws {
        let folder = try TestFolder()
        let run = try CommandRun.run(
            Launcher.announcing(listeners: 1) + [
                Products.reloaderd, "--control", "none", "-w", "1", "--give-up", "1/1m", "--output",
                "file:\(folder.path)/out", "/bin/true",
            ])
        #expect(run.errors == "reloaderd: cannot take the sockets of LISTEN_FDS: descriptor 3 is not open\n")
        #expect(run.status == 1)
        #expect(!folder.contains("out"))
    }
}
