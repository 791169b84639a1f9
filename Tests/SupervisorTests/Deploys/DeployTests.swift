// Deploys as people do them: a flipped link, a script or a binary replaced in place; and what a crash brings back.
import Foundation
import Testing

@Suite struct DeployTests {
    /// `releases/N/app`, each a script that serves; `current` points at the first.
    private static func releases(_ folder: TestFolder) throws {
        for release in 1...2 {
            try folder.writeProgram("releases/\(release)/app", Apps.workerScript("ready", "serve"))
        }
        try folder.writeProgram("releases/3/app", Apps.workerScript("err", "broken", "exit", "1"))
        try folder.link("current", to: "releases/1")
    }

    @Test func aFlippedLinkCountsFromTheReloadOn() throws {
        let folder = try TestFolder()
        try Self.releases(folder)
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest([
            "--listen", "127.0.0.1:\(port)", "--workers", "1", "--chdir", "\(folder.path)/current", "--backoff", "1ms",
            "./app",
        ])
        func served() -> String? {
            Network.get(port)?.split(separator: "\n").last.flatMap { $0.split(separator: " ").last }.map(String.init)
        }
        func release(_ number: Int) -> String { "cwd=\(folder.path)/releases/\(number)" }
        func crash() throws -> LogLine {
            kill(try #require(Capacity.ready(in: daemon.log).keys.first), SIGKILL)
            try daemon.next("worker_exited")
            return try daemon.next("worker_ready")
        }

        try daemon.next("pool_ready")
        #expect(served() == release(1))
        try folder.link("current", to: "releases/2")
        // Between the flip and the HUP: the generation of the slot, not what is on the disk now.
        #expect(try crash().generation == 1)
        #expect(served() == release(1))
        daemon.signal(SIGHUP)
        try daemon.next("reload_done")
        try daemon.drained()
        #expect(served() == release(2))

        try folder.link("current", to: "releases/3")
        daemon.signal(SIGHUP)
        try daemon.next("reload_failed")
        #expect(daemon.otherLines.last == "broken")
        try daemon.next("reload_reverted")
        try daemon.drained()
        #expect(served() == release(2))
        #expect(try crash().generation == 2)
        #expect(served() == release(2))
        try daemon.endsClean()
    }

    /// `cd current && reloaderd ./app`, as people start it: the shell's PWD is the link.
    @Test func aDaemonStartedInALinkFollowsIt() throws {
        let folder = try TestFolder()
        for release in 1...2 {
            try folder.write("releases/\(release)/vars", "RELEASE=\(release)\n")
            try folder.write("releases/\(release)/conf", release == 1 ? "" : "workers 2\n")
            try folder.writeProgram(
                "releases/\(release)/app",
                "#!/bin/sh\necho \"$RELEASE $PWD\" >&2; echo READY=1 >&$READY_FD; exec sleep 1000\n")
        }
        try folder.link("current", to: "releases/1")
        let daemon = try DaemonUnderTest(
            ["--no-share", "--ready", "message", "--env-file", "vars", "--config", "conf", "./app"],
            under: Self.inDirectory("\(folder.path)/current"))
        func said(_ release: Int) -> Int {
            daemon.otherLines.count { $0 == "\(release) \(folder.path)/releases/\(release)" }
        }
        try daemon.next("pool_ready")
        #expect(said(1) >= 1)
        try folder.link("current", to: "releases/2")
        daemon.signal(SIGHUP)
        #expect(try daemon.next("reload_done").number("workers") == 2)
        while said(2) < 2 { try daemon.nextLine() }
        try FileManager.default.removeItem(atPath: "\(folder.path)/current")
        daemon.signal(SIGHUP)
        let refused = try daemon.next("reload_refused").message
        #expect(refused.contains("\(folder.path)/current") && refused.contains("No such file or directory"))
        try daemon.endsClean()
    }

    /// Without a name for it, the kernel alone knows the directory, and that it was deleted.
    @Test func aDeletedDirectoryIsSaid() throws {
        let folder = try TestFolder()
        try folder.write("here/file", "")
        let daemon = try DaemonUnderTest(
            ["--no-share", "--workers", "1"] + Apps.readyShell,
            under: Self.inDirectory("\(folder.path)/here", "unset PWD;"))
        try daemon.next("pool_ready")
        try FileManager.default.removeItem(atPath: "\(folder.path)/here")
        daemon.signal(SIGHUP)
        let refused = try daemon.next("reload_refused").message
        #expect(refused.contains("the working directory in which reloaderd was started was deleted"))
        try daemon.endsClean()
    }

    private static func inDirectory(_ path: String, _ script: String = "") -> [String] {
        ["/bin/sh", "-c", "cd \"$0\" && \(script) exec \"$@\"", path]
    }

    /// A program by an absolute path through the link is pinned as well.
    @Test func aProgramThroughALinkIsPinned() throws {
        let folder = try TestFolder()
        try Self.releases(folder)
        let port = try Network.freePort()
        let daemon = try DaemonUnderTest(
            ["--listen", "127.0.0.1:\(port)", "--workers", "1", "--backoff", "1ms", "\(folder.path)/current/app"])
        try daemon.next("pool_ready")
        try folder.link("current", to: "releases/3")
        kill(try #require(Capacity.ready(in: daemon.log).keys.first), SIGKILL)
        #expect(try daemon.next("worker_ready").generation == 1)
        daemon.signal(SIGHUP)
        try daemon.next("reload_failed")
        try daemon.endsClean()
    }

    /// `mv app.new app`: a crashed worker comes back as the file that is no longer there.
    @Test func aBinaryReplacedInPlaceCountsFromTheReloadOn() throws {
        let folder = try TestFolder()
        let app = "\(folder.path)/app"
        try folder.copyProgram("app", from: "/bin/sh")
        let daemon = try DaemonUnderTest([
            "--workers", "1", "--backoff", "1ms", app, "-c", "echo READY=1 >&$READY_FD; sleep 1000 & wait",
        ])
        let first = try ProcessView(try #require(try daemon.next("worker_ready").pid))
        #expect(first.executable == app)
        try folder.copyProgram("app", from: "/bin/bash")
        kill(first.pid, SIGKILL)
        let second = try ProcessView(try #require(try daemon.next("worker_ready").pid))
        #expect(second.pid != first.pid && second.executable == "\(app) (deleted)")
        daemon.signal(SIGHUP)
        let third = try ProcessView(try #require(try daemon.next("worker_ready").pid))
        #expect(third.executable == app)
        try daemon.next("reload_done")
        try daemon.endsClean()
    }

    /// A slot in backoff does not keep the fix waiting.
    @Test func theFixOfACrashLoopStartsAtOnce() throws {
        let folder = try TestFolder()
        let app = try folder.writeProgram("app", "#!/bin/sh\nexit 1\n")
        let daemon = try DaemonUnderTest(["--workers", "2", "--backoff", "1h", "--backoff-cap", "1h", app])
        for _ in 0...1 { #expect(try daemon.next("backoff").number("delay") >= 1800) }
        try folder.writeProgram("app", "#!/bin/sh\necho READY=1 >&$READY_FD\nexec sleep 1000\n")
        daemon.signal(SIGHUP)
        #expect(try daemon.next("reload_done").generation == 2)
        try daemon.next("pool_ready")
        #expect(daemon.records("worker_started").map(\.generation) == [1, 1, 2, 2])
        try daemon.endsClean()
    }

    /// Both generations broken: there is nothing to serve with, and nothing spins.
    @Test func aReloadFromOneBrokenReleaseToAnotherBacksOff() throws {
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--backoff", "10m", "--backoff-cap", "10m"] + Apps.shell("exit 1"))
        try daemon.next("backoff")
        daemon.signal(SIGHUP)
        try daemon.next("reload_failed")
        #expect(try daemon.next("backoff").number("delay") >= 300)
        #expect(daemon.records("worker_started").count <= 3)
        try daemon.endsClean()
    }
}
