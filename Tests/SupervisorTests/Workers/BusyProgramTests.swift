// A program that is still being written when it is to be started: the kernel refuses it (ETXTBSY), for a moment or for
// good.
import Foundation
import Testing

@Suite struct BusyProgramTests {
    @Test func aCopyThatEndsInTimeIsWaitedFor() throws {
        let app = try BusyProgram(workers: 2)
        app.daemon.signal(SIGHUP)
        let delayed = try app.daemon.next("start_delayed")
        #expect(delayed.generation == 2 && delayed.slot == 0 && delayed.message.contains("Text file busy"))
        app.writer.writeLine()
        try app.daemon.next("reload_done")
        #expect(app.daemon.records("worker_failed").isEmpty && app.daemon.records("start_delayed").count == 1)
        try app.writer.wait()
        try app.daemon.endsClean()
    }

    @Test func aCopyThatGoesOnFailsTheReload() throws {
        let app = try BusyProgram(workers: 2)
        app.daemon.signal(SIGHUP)
        let failed = try app.daemon.next("reload_failed")
        #expect(failed.message.contains("\(app.path): Text file busy (a process still has it open for writing"))
        try app.daemon.next("reload_reverted")
        #expect(Capacity.ready(in: app.daemon.log).values.sorted() == [1, 1])
        app.writer.writeLine()
        try app.writer.wait()
        try app.daemon.endsClean()
    }

    /// Nothing that waits holds up a stop.
    @Test(arguments: [SIGTERM, SIGQUIT]) func aStopDoesNotWait(_ signal: Int32) throws {
        let app = try BusyProgram(workers: 1)
        app.daemon.signal(SIGHUP)
        try app.daemon.next("start_delayed")
        try app.daemon.endsClean(by: signal)
        #expect(app.daemon.records("worker_started").count == 1)
        app.writer.writeLine()
        try app.writer.wait()
    }

    /// The first start is delayed as well, since a failure would end the daemon.
    @Test func theFirstStartIsDelayedToo() throws {
        let app = try BusyProgram(workers: 1, isBusyAtFirst: true)
        try app.daemon.next("start_delayed")
        app.writer.writeLine()
        try app.daemon.next("pool_ready")
        try app.writer.wait()
        try app.daemon.endsClean()
    }
}

/// A daemon, and a process that holds its program open for writing until it is told to close it.
private struct BusyProgram {
    let path: String
    let daemon: DaemonUnderTest
    let writer: ChildProcess
    private let folder: TestFolder

    /// - Parameter isBusyAtFirst: if false, the pool is ready, and the program that is written is not the one that
    ///   serves.
    init(workers: Int, isBusyAtFirst: Bool = false) throws {
        let script = "#!/bin/sh\necho READY=1 >&$READY_FD; exec sleep 1000\n"
        let options = ["--workers", "\(workers)", "--no-share", "--ready", "message"]
        folder = try TestFolder()
        path = try folder.writeProgram("app", script)
        if isBusyAtFirst {
            writer = try Self.writer(of: path)
            daemon = try DaemonUnderTest(options + [path])
        } else {
            daemon = try DaemonUnderTest(options + [path])
            try daemon.next("pool_ready")
            try folder.writeProgram("app", script)
            writer = try Self.writer(of: path)
        }
    }

    private static func writer(of path: String) throws -> ChildProcess {
        let writer = try ChildProcess(Apps.shell("exec 3>>'\(path)'; echo open; read x; exec 3>&-; echo closed"))
        #expect(try writer.output.next() == "open")
        return writer
    }
}
