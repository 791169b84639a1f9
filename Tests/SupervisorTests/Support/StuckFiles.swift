// A file system that stops answering, as a dead file server's does: Programs/stuck-files.c.
import Foundation
import Glibc

/// Everything that waits for it goes on when this object is gone.
final class StuckFiles {
    enum Operation: String, CaseIterable {
        case open = "OPEN"
        case read = "READ"
        case write = "WRITE"
        case flush = "FLUSH"
        case getattr = "GETATTR"
    }

    enum File: String { case program, plain }

    /// What is held, in the words of the file server.
    struct Held: Equatable {
        var operation: Operation
        var file: File
    }

    private let folder: TestFolder
    private let server: ChildProcess
    /// Told by the server while something else was waited for.
    private var untaken: [Held] = []

    /// The reason why there can be none here; nil if there can.
    static let problem: String? =
        access("/dev/fuse", R_OK | W_OK) == 0 && geteuid() == 0 ? nil : "needs root and /dev/fuse"

    /// - Parameter program: what the file `program` has in it.
    init(program: String = "/bin/true") throws {
        folder = try TestFolder()
        chmod(folder.path, 0o755)
        mkdir("\(folder.path)/files", 0o755)
        server = try ChildProcess([try BuiltPrograms.c("stuck-files"), "\(folder.path)/files", program])
        try expect("mounted")
    }

    func path(of file: File) -> String { "\(folder.path)/files/\(file.rawValue)" }

    /// From now on such requests are kept.
    func hold(_ operation: Operation, _ file: File) throws {
        server.writeLine("hold \(operation.rawValue) \(file.rawValue)")
        try expect("holding")
    }

    /// Waits until the next request is kept: somebody waits for it.
    @discardableResult
    func nextHeld() throws -> Held {
        if !untaken.isEmpty { return untaken.removeFirst() }
        guard let line = try server.output.next(), let held = Self.held(line) else {
            throw DidNotHappen(description: "nobody waits for the stuck files; errors: \(try errors())")
        }
        return held
    }

    /// Answers what was kept, and keeps nothing any more.
    func release() throws {
        server.writeLine("release")
        try expect("released")
    }

    /// The file server ends: whoever waits gets an error.
    func fail() throws {
        server.closeInput()
        try server.wait()
    }

    private func expect(_ answer: String) throws {
        while let line = try server.output.next() {
            if line == answer { return }
            guard let held = Self.held(line) else { throw DidNotHappen(description: "the stuck files say \(line)") }
            untaken.append(held)
        }
        throw DidNotHappen(description: "the stuck files have ended without \(answer): \(try errors())")
    }

    private static func held(_ line: String) -> Held? {
        let words = line.split(separator: " ").map(String.init)
        guard words.count == 2, let operation = Operation(rawValue: words[0]), let file = File(rawValue: words[1])
        else { return nil }
        return Held(operation: operation, file: file)
    }

    private func errors() throws -> String {
        server.closeInput()
        return try server.errors.text()
    }

    deinit {
        try? fail()
        umount2("\(folder.path)/files", Int32(MNT_DETACH))
    }
}

/// A worker that holds up those who touch it: Programs/holding.c.
struct HoldingWorker {
    enum Hold: String { case bind, send, linger, memory, open }

    /// The words of its command. Only the first worker of slot 0 is such a one, and the others serve at the port.
    ///
    /// - Parameter page: a file of `StuckFiles`; nil: a page that userfaultfd withholds, which needs root.
    /// - Parameter folder: for a copy of it that every user can run.
    static func words(_ hold: Hold, page: String?, port: Int, in folder: TestFolder? = nil) throws -> [String] {
        let built = try BuiltPrograms.c("holding")
        let program = try folder.map { try $0.copyProgram("holding", from: built) } ?? built
        return [program, hold.rawValue, page ?? "userfaultfd", "\(port)"]
    }
}

extension ProcessView {
    /// Waits until a signal can no longer interrupt what it waits for (state D of proc_pid_stat(5)). There is no event
    /// for that.
    static func waitUntilUnkillable(_ pid: Int32) throws {
        let patience = ContinuousClock.now + .milliseconds(ChildProcess.patienceMilliseconds)
        while ContinuousClock.now < patience {
            let text = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
            if text[(text.lastIndex(of: ")") ?? text.startIndex)...].hasPrefix(") D") { return }
            poll(nil, 0, 1)
        }
        throw DidNotHappen(description: "process \(pid) does not wait without being killable")
    }
}
