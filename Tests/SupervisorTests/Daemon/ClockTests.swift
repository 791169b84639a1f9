// The wall clock jumps; decisions take no notice.
import Foundation
import Testing

@Suite struct ClockTests {
    /// Under the daemon a C library whose wall clock is a day ahead and a day behind by turns. The time stamps of the
    /// log show that it is in force; everything else is as ever.
    @Test func aWallClockThatJumpsChangesNothing() throws {
        let folder = try TestFolder()
        let library = "\(folder.path)/jump.so"
        let path = "PATH=\(ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")"
        let compiled = try CommandRun.run(
            ["clang", "-shared", "-fPIC", "-O1", "-o", library, "\(SharedProgram.folder)/jump/jump.c"],
            environment: [path])
        #expect(compiled.status == 0, "\(compiled.errors)")

        let daemon = try DaemonUnderTest(
            [
                "--workers", "2", "--env", "LD_PRELOAD", "--ready-timeout", "20s", "--soak", "100ms", "--stop-timeout",
                "300ms", "--backoff", "50ms", "--watchdog", "30s",
            ] + Apps.worker("if-slot", "1", "ignore", "TERM", "end", "ready", "wait"),
            environment: ChildProcess.plainEnvironment + ["LD_PRELOAD=\(library)"])
        try daemon.next("pool_ready")
        daemon.signal(SIGHUP)
        let done = try daemon.next("reload_done")
        #expect(done.number("took") >= 0.2)
        // The first one is started again at once.
        kill(try #require(Capacity.ready(in: daemon.log).keys.first), SIGKILL)
        kill(try #require(try daemon.next("worker_ready").pid), SIGKILL)
        let delay = try daemon.next("backoff").number("delay")
        #expect(delay >= 0.049 && delay <= 0.1)
        try daemon.next("worker_ready")
        try daemon.endsClean()

        let times = daemon.log.map(\.time)
        #expect((times.max() ?? 0) - (times.min() ?? 0) > 86_400, "the wall clock does not jump: nothing was tested")
        for record in daemon.log {
            for name in ["after", "took", "lived"] where record.fields[name] != nil {
                #expect(record.number(name) >= 0 && record.number(name) < 60, "\(record)")
            }
        }
        #expect(daemon.records("worker_failed").count == 2)
        // The worker of slot 1 in each generation, which only the stop timeout ends.
        #expect(daemon.records("worker_killed").allSatisfy { $0.slot == 1 } && !daemon.records("worker_killed").isEmpty)
    }

    /// The source reads the wall clock only for what people read: the log, workers' lines, and when a generation
    /// was made and asked for; and `list`, which says how long ago a daemon was started.
    @Test func onlyPeopleReadTheWallClock() throws {
        var readers: Set<String> = []
        var askers: Set<String> = []
        for room in ["Reloader", "Supervisor", "CLinux", "reloaderd"] {
            let folder = "\(Products.package)/Sources/\(room)"
            for name in try FileManager.default.subpathsOfDirectory(atPath: folder) {
                let text = String(
                    decoding: FileManager.default.contents(atPath: "\(folder)/\(name)") ?? Data(), as: UTF8.self)
                let words = [
                    "CLOCK_REALTIME", "gettimeofday", "Date(", "ContinuousClock", "SuspendingClock", " time(nil",
                ]
                let file = name.split(separator: "/").last.map(String.init) ?? name
                if words.contains(where: text.contains) { readers.insert(file) }
                if text.contains("WallClock.now()") { askers.insert(file) }
            }
        }
        #expect(readers == ["Clocks.swift"])
        #expect(askers == ["Story.swift", "Generation.swift", "Deploy.swift", "Daemon.swift", "Output.swift"])
    }
}
