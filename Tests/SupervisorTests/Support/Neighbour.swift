// Another process of the workers' user that stops what starts: by luck (Programs/stopper.c), and without any
// (Programs/halting.c).
import Foundation
import Glibc

/// Stops each new process of its user as early as it may, until it is gone itself.
final class Neighbour {
    let process: ChildProcess

    init(user: UInt32, count: Int) throws {
        let folder = try TestFolder()
        chmod(folder.path, 0o755)
        let program = try folder.copyProgram("stopper", from: try BuiltPrograms.c("stopper"))
        process = try ChildProcess(
            ["setpriv", "--reuid", "\(user)", "--regid", "\(user)", "--clear-groups", program, "\(count)"])
        guard try process.output.next() == "stopping" else {
            throw DidNotHappen(description: "the neighbour does not start: \(try process.errors.text())")
        }
    }

    /// The number of the next process that it has stopped.
    func nextStopped() throws -> Int32 { try StoppedStarts.pid(try process.output.next()) }

    /// A user of a test's own, for whom the system needs no entry: a neighbour stops everybody's who has the same.
    static func freshUser() -> UInt32 { UInt32.random(in: 61_000..<65_000) }
}

/// What stops a process of a user between setuid(2) and its program, each time while it is told to.
final class StoppedStarts {
    /// Comes before the program that starts processes. That can share no ports: its kernel allows one such filter.
    let wrapper: [String]
    private let folder: TestFolder
    private let told: Fifo
    private let flag: String

    init(user: UInt32) throws {
        folder = try TestFolder()
        flag = "\(folder.path)/stop"
        told = try Fifo(in: folder, named: "told")
        wrapper = [try BuiltPrograms.c("halting"), "\(user)", flag, told.path]
    }

    /// From now on each start is stopped, or none.
    func stops(_ yes: Bool) throws {
        if yes { try folder.write("stop", "") } else { unlink(flag) }
    }

    /// The number of the next process that was stopped.
    func nextStopped() throws -> Int32 { try Self.pid(try told.lines.next()) }

    fileprivate static func pid(_ line: String?) throws -> Int32 {
        guard let line, line.hasPrefix("stopped "), let pid = Int32(line.dropFirst("stopped ".count)) else {
            throw DidNotHappen(description: "no process was stopped, but: \(line ?? "the end")")
        }
        return pid
    }
}
