// The daemon is replaced by another program in the same process, and nobody notices: not the workers, not their
// clients, and not those who talk to the daemon.
import Foundation
import Glibc
import Testing

extension DaemonUnderTest {
    /// Asks by signal, and waits until the new program is there.
    @discardableResult
    func upgrade() throws -> LogLine {
        signal(SIGUSR2)
        return try next("upgraded")
    }

    /// Bytes that are its own and no file's.
    var ownMemory: Int {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("RssAnon:") }
        return (line?.split { $0 == " " || $0 == "\t" }.dropFirst().first.flatMap { Int($0) } ?? 0) << 10
    }
}

@Suite(.serialized) struct UpgradeUnderLoadTests {
    /// How many are made in a row. RELOADERD_UPGRADES makes it another number.
    private static let count = ProcessInfo.processInfo.environment["RELOADERD_UPGRADES"].flatMap(Int.init) ?? 50

    /// Fifty in a row: the same workers serve, and no request fails.
    private func upgrade(
        _ daemon: DaemonUnderTest, _ client: ChildProcess, _ what: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let workers = Set(daemon.records("worker_ready").compactMap(\.pid))
        var pauses = [try daemon.upgrade().number("pause")]
        let descriptors = daemon.descriptorCount
        var memory = 0
        for number in 1..<Self.count {
            pauses.append(try daemon.upgrade().number("pause"))
            if number == 5 { memory = daemon.ownMemory }
        }
        let longest = pauses.max() ?? 0
        let mean = (pauses.reduce(0, +) / Double(pauses.count) * 1000).rounded() / 1000
        print("\(what): \(Self.count) upgrades, the longest pause \(longest)s, the mean \(mean)s")
        #expect(daemon.descriptorCount == descriptors, sourceLocation: sourceLocation)
        #expect(daemon.ownMemory < memory + 2 << 20, "\(memory) before", sourceLocation: sourceLocation)
        // The workers can be replaced as before.
        daemon.signal(SIGHUP)
        #expect(try daemon.next("reload_done").generation == 2, sourceLocation: sourceLocation)
        let report = try SharingLoad.report(of: client)
        #expect(
            report.failed == 0 && report.clientErrors == 0 && report.ok > Self.count,
            "\(report.columns) \(report.failures)", sourceLocation: sourceLocation)
        let first = Set(report.workers.filter { $0.generation == 1 }.map { Int32($0.pid) })
        #expect(!first.isEmpty && first.isSubset(of: workers), sourceLocation: sourceLocation)
        #expect(daemon.records("worker_started").count == 2 * workers.count, sourceLocation: sourceLocation)
        #expect(daemon.records("worker_failed").isEmpty, "\(daemon.story)", sourceLocation: sourceLocation)
        try daemon.endsClean(sourceLocation: sourceLocation)
    }

    @Test(arguments: [SharedProgram.node, .threaded, .go, .epollFirst])
    func sharedPortsLoseNoRequest(of program: SharedProgram) throws {
        let folder = try TestFolder()
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(["--workers", "4"] + program.words(port, in: folder))
        try daemon.next("pool_ready")
        try upgrade(daemon, try SharingLoad.client(port), program.name)
    }

    @Test(arguments: ["shared", "slot"])
    func listenersLoseNoRequest(balance: String) throws {
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--listen", "127.0.0.1:\(port)", "--balance", balance, "--workers", "4", Products.httpWorker])
        try daemon.next("pool_ready")
        try upgrade(daemon, try SharingLoad.client(port, ["--keep-alive"]), "--listen --balance \(balance)")
    }
}

@Suite struct UpgradeTests {
    /// Half a line before, and the other half afterwards; and so with messages.
    @Test func halfALineIsKept() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let daemon = try DaemonUnderTest(
            ["--workers", "1"]
                + Apps.shell(
                    "printf 'first ' >&2; printf 'READ' >&$READY_FD; echo begun; read line <\(gate.path); "
                        + "echo second >&2; echo 'Y=1' >&$READY_FD; exec sleep 1000"))
        #expect(try daemon.process.output.next() == "begun")
        try daemon.upgrade()
        gate.letPass()
        try daemon.next("pool_ready")
        try daemon.lines(1, thatStartWith: "first second")
        try daemon.endsClean()
    }

    /// It is no failure of a worker, whatever the worker is about, and no start is made twice.
    @Test func aWorkerThatStartsGoesOn() throws {
        let folder = try TestFolder()
        let gate = try Gate(in: folder)
        let daemon = try DaemonUnderTest(["--workers", "2"] + Apps.worker("gate", gate.path, "ready", "wait"))
        for _ in 0..<2 { try daemon.next("worker_started") }
        try daemon.upgrade()
        for _ in 0..<2 {
            gate.letPass()
            try daemon.next("worker_ready")
        }
        try daemon.next("pool_ready")
        #expect(daemon.records("worker_started").count == 2 && daemon.records("worker_failed").isEmpty)
        try daemon.endsClean()
    }

    /// The answer to who asked, and what others know: all of it comes from the new program.
    @Test func theNewOneGoesOnWithEverything() throws {
        let folder = try TestFolder()
        let fifo = try Fifo(in: folder, named: "hooks")
        let program = try folder.copyProgram("another", from: Products.reloaderd)
        let app = try ControlledDaemon(
            Apps.readyShell,
            options: [
                "--workers", "2", "--pid-file", "\(folder.path)/pid", "--output", "file:\(folder.path)/out",
                "--on-event", "echo $RELOADERD_EVENT >\(fifo.path)",
            ], in: folder)
        try app.daemon.next("pool_ready")
        #expect(try fifo.lines.next() == "ready")
        app.daemon.signal(SIGHUP)
        try app.daemon.next("reload_done")
        #expect(try fifo.lines.next() == "deployed")
        try app.daemon.drained()
        let before = try app.ask("status")
        let history = try app.ask("history").objects("entries").count
        let follower = try app.connect()
        try follower.send("events", ["follow": true])
        try follower.event("reload_done")

        let answer = try app.ask("upgrade", ["path": program])
        #expect(answer.outcome == "done" && answer.number("pause_s") >= 0, "\(answer)")
        #expect(answer.string("version") != nil && answer.string("version") == answer.string("from"), "\(answer)")
        #expect(try ProcessView(app.daemon.pid).executable == program)
        #expect(try follower.event("upgraded").string("path") == program)
        let after = try app.ask("status")
        #expect(after.workers.map { $0["pid"] as? Int } == before.workers.map { $0["pid"] as? Int })
        #expect(after.string("started_at") == before.string("started_at"))
        #expect(try app.ask("history").objects("entries").count == history && history == 2)
        #expect(folder.text(of: "pid") == "\(app.daemon.pid)\n")
        #expect(try app.ask("events").isOK)
        app.daemon.signal(SIGHUP)
        try app.daemon.next("reload_done")
        #expect(try fifo.lines.next() == "deployed")
        try follower.event("reload_done")
        // A rollback goes to what the old program has pinned.
        #expect(try app.ask("rollback").outcome == "done")
        #expect(try app.ask("history").objects("entries").count == 4)
        try app.daemon.endsClean()
        #expect(!folder.contains("pid") && !folder.contains("run/app.sock"))
        let left = try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/run")
        #expect(left.isEmpty, "\(left)")
    }

    /// As a package manager does it: another file has the name, and the one that runs has none.
    @Test func ownFileIsReplaced() throws {
        let folder = try TestFolder()
        let program = try folder.copyProgram("reloaderd", from: Products.reloaderd)
        let daemon = try DaemonUnderTest(["--workers", "1"] + Apps.readyShell, executable: program)
        try daemon.next("pool_ready")
        try folder.copyProgram("reloaderd", from: Products.reloaderd)
        #expect(try ProcessView(daemon.pid).executable == "\(program) (deleted)")
        #expect(try daemon.upgrade().text("path") == program)
        #expect(try ProcessView(daemon.pid).executable == program)
        // Moved away beforehand, which the kernel would call its name.
        rename(program, "\(program).old")
        try folder.copyProgram("reloaderd", from: Products.reloaderd)
        #expect(try daemon.upgrade().text("path") == program)
        try daemon.endsClean()
    }

    /// A reload starts from the directory in which the first program was started, by its name.
    @Test func theStartDirectoryStays() throws {
        let folder = try TestFolder()
        for release in ["1", "2"] {
            try folder.write("\(release)/name", release)
            try folder.writeProgram("\(release)/app", "#!/bin/sh\ncat name >&2; echo >&2; \(Apps.readyShell[2])\n")
        }
        try folder.link("current", to: "1")
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "./app"], environment: ChildProcess.plainEnvironment + ["PWD=\(folder.path)/current"],
            directory: "\(folder.path)/current")
        try daemon.next("pool_ready")
        try folder.link("current", to: "2")
        try daemon.upgrade()
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        try daemon.lines(1, thatStartWith: "2")
        #expect(daemon.otherLines.filter { $0 == "1" || $0 == "2" } == ["1", "2"], "\(daemon.story)")
        try daemon.endsClean()
    }

    /// A worker that ends at that moment is replaced like any other.
    @Test func aCrashAtThatMomentIsSeen() throws {
        let daemon = try DaemonUnderTest(["--workers", "2", "--backoff", "1ms"] + Apps.readyShell)
        try daemon.next("pool_ready")
        var pids = daemon.records("worker_ready").compactMap(\.pid)
        for round in 0..<5 {
            daemon.signal(SIGUSR2)
            kill(pids[round % 2], SIGKILL)
            while daemon.records("worker_ready").count < 3 + round || daemon.records("upgraded").count < 1 + round {
                try daemon.nextLine()
            }
            pids[round % 2] = try #require(daemon.records("worker_ready").last?.pid)
        }
        #expect(daemon.records("worker_exited").count == 5)
        try daemon.endsClean()
    }

    /// What a worker has left behind is still known to be its own, and so is what is to become of it.
    @Test func leftoversAreKept() throws {
        let folder = try TestFolder()
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--stop-timeout", "3s", "--backoff", "1ms"]
                + Apps.shell(
                    "if mkdir \(folder.path)/first; then (trap '' TERM; exec sleep 1000) & fi; "
                        + "echo READY=1 >&$READY_FD; exec sleep 1000"))
        try daemon.next("pool_ready")
        let first = try #require(daemon.records("worker_ready").first?.pid)
        kill(first, SIGKILL)
        try daemon.next("leftovers")
        try daemon.next("worker_ready")
        try daemon.upgrade()
        // The time that they have goes on over the upgrade.
        try daemon.next("leftovers_killed")
        try daemon.next("leftovers_gone")
        try daemon.endsClean()
    }

    @Test(.disabled(if: Namespaces.problem != nil, "\(Namespaces.problem ?? "")"))
    func asPid1() throws {
        let folder = try TestFolder()
        let app = try ControlledDaemon(
            Apps.readyShell, options: ["--workers", "2"], in: folder,
            under: ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"])
        #expect(try app.daemon.next("started").pid == 1)
        try app.daemon.next("pool_ready")
        for _ in 0..<3 { #expect(try app.ask("upgrade").outcome == "done") }
        #expect(try app.ask("reload").outcome == "done")
        #expect(try app.ask("stop", ["wait": true]).isOK)
        #expect(try app.daemon.end() == 0)
    }

    @Test func manyLinesAndTagsComeWhole() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "2", "--output", "prefix"] + Apps.worker("ready", "number-err", "20000", "wait"))
        try daemon.next("pool_ready")
        for _ in 0..<3 { try daemon.upgrade() }
        for slot in 0..<2 {
            let last = "\(slot):19999"
            while !daemon.otherLines.contains(where: { $0.hasSuffix(last) }) { try daemon.nextLine() }
        }
        let lines = daemon.otherLines.filter { $0.hasPrefix("[slot ") }
        #expect(lines.count == 40_000)
        try daemon.endsClean()
    }
}
