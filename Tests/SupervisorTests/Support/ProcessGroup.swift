// A worker with all that it has started.
import Foundation

enum ProcessGroup {
    /// SIGSTOP, and returns when no thread of it runs any more: until then one may still accept. No event tells of that
    /// to who is not the parent, so it is looked at.
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
