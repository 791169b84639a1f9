// A process that is not ours, seen from outside.
import CLinux
import Foundation

/// Holds on to the process, so that another that gets its number later is not mistaken for it.
final class ProcessView {
    let pid: Int32
    private let pidfd: Int32

    init(_ pid: Int32) throws {
        self.pid = pid
        pidfd = rl_pidfd_open(pid)
        guard pidfd >= 0 else { throw DidNotHappen(description: "process \(pid): \(String(cString: strerror(errno)))") }
    }

    /// It has not ended.
    var isAlive: Bool { !endsWithin(0) }

    func waitForEnd() throws {
        if !endsWithin(ChildProcess.patienceMilliseconds) {
            throw DidNotHappen(description: "process \(pid) does not end")
        }
    }

    /// Where its executable is, ` (deleted)` where that has been replaced.
    var executable: String? { try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/exe") }

    var environment: [String: String] {
        let bytes = FileManager.default.contents(atPath: "/proc/\(pid)/environ") ?? Data()
        let pairs = bytes.split(separator: 0).compactMap { variable -> (String, String)? in
            let parts = String(decoding: variable, as: UTF8.self).split(separator: "=", maxSplits: 1)
            return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
        }
        return Dictionary(pairs) { first, _ in first }
    }

    /// CPU time that it has taken, in clock ticks of 10 ms (proc_pid_stat(5), fields 14 and 15).
    var cpuTicks: Int {
        let text = String(decoding: FileManager.default.contents(atPath: "/proc/\(pid)/stat") ?? Data(), as: UTF8.self)
        let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
        return fields.count > 13 ? (Int(fields[12]) ?? 0) + (Int(fields[13]) ?? 0) : 0
    }

    /// Memory that is its own (proc_pid_status(5), RssAnon).
    var residentBytes: Int {
        let text = String(
            decoding: FileManager.default.contents(atPath: "/proc/\(pid)/status") ?? Data(), as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix("RssAnon:") }
        return (line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
    }

    /// Every process there is: its process group, and whether it is a zombie (proc_pid_stat(5), fields 3 and 5).
    static var all: [(pid: Int32, group: Int32, isAtEnd: Bool)] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { name in
            guard let pid = Int32(name), let bytes = FileManager.default.contents(atPath: "/proc/\(name)/stat"),
                let fields = String(decoding: bytes, as: UTF8.self).split(separator: ")").last?.split(separator: " "),
                fields.count > 2, let group = Int32(fields[2])
            else { return nil }
            return (pid, group, fields[0] == "Z" || fields[0] == "X")
        }
    }

    private func endsWithin(_ milliseconds: Int32) -> Bool {
        var request = pollfd(fd: pidfd, events: Int16(POLLIN), revents: 0)
        return poll(&request, 1, milliseconds) > 0
    }

    deinit { close(pidfd) }
}
