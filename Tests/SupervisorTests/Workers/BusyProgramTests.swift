// A program that is still being written when it is to be started: the kernel refuses it (ETXTBSY), for a moment or for
// good.
import Foundation
import Testing

@Suite struct BusyProgramTests {
    private static let script = "#!/bin/sh\necho READY=1 >&$READY_FD; exec sleep 1000\n"

    /// Holds the file open for writing until it is told to close it.
    private static func writer(of path: String) throws -> ChildProcess {
        let writer = try ChildProcess(Apps.shell("exec 3>>'\(path)'; echo open; read x; exec 3>&-; echo closed"))
        #expect(try writer.output.next() == "open")
        return writer
    }

    @Test func aCopyThatEndsInTimeIsWaitedFor() throws {
        let folder = try TestFolder()
        let app = try folder.writeProgram("app", Self.script)
        let daemon = try DaemonUnderTest(["-w", "2", "--no-share", "--ready", "message", app])
        try daemon.next("pool_ready")
        try folder.writeProgram("app", Self.script)
        let writer = try Self.writer(of: app)
        daemon.signal(SIGHUP)
        let delayed = try daemon.next("start_delayed")
        #expect(delayed.generation == 2 && delayed.slot == 0 && delayed.message.contains("Text file busy"))
        writer.writeLine()
        try daemon.next("reload_done")
        #expect(daemon.records("worker_failed").isEmpty && daemon.records("start_delayed").count == 1)
        try writer.wait()
        try daemon.endsClean()
    }

    @Test func aCopyThatGoesOnFailsTheReload() throws {
        let folder = try TestFolder()
        let app = try folder.writeProgram("app", Self.script)
        let daemon = try DaemonUnderTest(["-w", "2", "--no-share", "--ready", "message", app])
        try daemon.next("pool_ready")
        try folder.writeProgram("app", Self.script)
        let writer = try Self.writer(of: app)
        daemon.signal(SIGHUP)
        let failed = try daemon.next("reload_failed")
        #expect(failed.message.contains("\(app): Text file busy (a process still has it open for writing"))
        try daemon.next("reload_reverted")
        #expect(Capacity.ready(in: daemon.log).values.sorted() == [1, 1])
        writer.writeLine()
        try writer.wait()
        try daemon.endsClean()
    }

    /// Nothing that waits holds up a stop.
    @Test(arguments: [SIGTERM, SIGQUIT]) func aStopDoesNotWait(_ signal: Int32) throws {
        let folder = try TestFolder()
        let app = try folder.writeProgram("app", Self.script)
        let daemon = try DaemonUnderTest(["-w", "1", "--no-share", "--ready", "message", app])
        try daemon.next("pool_ready")
        try folder.writeProgram("app", Self.script)
        let writer = try Self.writer(of: app)
        daemon.signal(SIGHUP)
        try daemon.next("start_delayed")
        try daemon.endsClean(by: signal)
        #expect(daemon.records("worker_started").count == 1)
        writer.writeLine()
        try writer.wait()
    }

    /// At the first start as well; it would end the daemon.
    @Test func theFirstStartIsDelayedToo() throws {
        let folder = try TestFolder()
        let app = try folder.writeProgram("app", Self.script)
        let writer = try Self.writer(of: app)
        let daemon = try DaemonUnderTest(["-w", "1", "--no-share", "--ready", "message", app])
        try daemon.next("start_delayed")
        writer.writeLine()
        try daemon.next("pool_ready")
        try writer.wait()
        try daemon.endsClean()
    }
}
