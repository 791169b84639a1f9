// Processes that are not ours, seen from outside: one, its descriptors, a worker with all that it has started.
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

    /// Where its executable is, ` (deleted)` if that has been replaced.
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

    /// Every process that there is: its process group, and whether it is a zombie (proc_pid_stat(5), fields 3 and 5).
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

/// What a descriptor of a running process leads to, as /proc says.
enum DescriptorLink {
    static func target(of number: Int, in pid: Int32) throws -> String {
        try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/fd/\(number)")
    }
}

/// A worker with all that it has started.
enum ProcessGroup {
    /// SIGSTOP, and returns when no thread of it runs any more: until then one may still accept. Only a parent gets an
    /// event for that, so the states are read.
    static func stop(_ leader: Int32) throws {
        kill(-leader, SIGSTOP)
        let patience = ContinuousClock.now + .milliseconds(ChildProcess.patienceMilliseconds)
        while !threads(of: leader).allSatisfy({ $0 == "T" }) {
            if ContinuousClock.now > patience { throw DidNotHappen(description: "group \(leader) does not stop") }
            poll(nil, 0, 1)
        }
    }

    /// The states of all its threads; see proc_pid_stat(5).
    private static func threads(of leader: Int32) -> [String] {
        names(in: "/proc").filter { fields("/proc/\($0)/stat")?[2] == "\(leader)" }.flatMap { process in
            names(in: "/proc/\(process)/task").compactMap { fields("/proc/\(process)/task/\($0)/stat")?[0] }
        }
    }

    private static func names(in directory: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: directory))?.filter { Int($0) != nil } ?? []
    }

    /// State, parent, process group, …: what follows the name.
    private static func fields(_ path: String) -> [String]? {
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        let text = String(decoding: data, as: UTF8.self)
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ").map(String.init)
        return fields.count > 3 ? fields : nil
    }
}
