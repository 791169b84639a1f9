// What tests ask of a daemon's log and of what it leaves behind.
import Foundation
import Testing

extension LogLine {
    /// Seconds; of the wall clock, to the millisecond.
    var time: Double {
        guard let text = fields["time"] as? String,
            let date = try? Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse(text)
        else { return .nan }
        return date.timeIntervalSince1970
    }

    /// A field in seconds or a count.
    func number(_ name: String) -> Double { (fields[name] as? NSNumber)?.doubleValue ?? .nan }

    func text(_ name: String) -> String? { fields[name] as? String }
    var level: String { text("level") ?? "" }
}

extension DaemonUnderTest {
    /// Ends it by `number`, and expects status 0 and that no worker is left, nor anything of its process group; and
    /// before that, that the daemon has no listener that none of its workers has.
    func endsClean(
        by number: Int32 = 15, _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        if sharesPorts { try holdsNoListenerAlone(sourceLocation: sourceLocation) }
        signal(number)
        let status = try end()
        #expect(status == 0, comment, sourceLocation: sourceLocation)
        leavesNothing(sourceLocation: sourceLocation)
    }

    /// After its end: no process that the log has named exists, nor any of its process group. What was killed with a
    /// worker may take a moment to go.
    func leavesNothing(sourceLocation: SourceLocation = #_sourceLocation) {
        let named = Set(log.compactMap(\.pid))
        let left = named.filter { kill($0, 0) == 0 }
        #expect(left.isEmpty, "processes are left:\n\(story)", sourceLocation: sourceLocation)
        for member in ProcessView.all where named.contains(member.group) && !member.isAtEnd {
            // Gone before we could look: as it should be.
            guard let view = try? ProcessView(member.pid) else { continue }
            #expect(throws: Never.self, sourceLocation: sourceLocation) { try view.waitForEnd() }
        }
    }

    /// Reads on until every worker that was asked to finish has ended: only those that are ready answer from then on.
    func drained() throws {
        func pids(_ event: String) -> Set<Int32> { Set(records(event).compactMap(\.pid)) }
        while !pids("worker_draining").isSubset(of: pids("worker_exited")) { try nextLine() }
    }

    /// The process by which it touches what belongs to workers; nil while there is none.
    var currentHelper: Int32? {
        let children = (try? String(contentsOfFile: "/proc/\(pid)/task/\(pid)/children", encoding: .utf8)) ?? ""
        return children.split(separator: " ").compactMap { Int32($0) }.last { child in
            let status = (try? String(contentsOfFile: "/proc/\(child)/status", encoding: .utf8)) ?? ""
            return status.hasPrefix("Name:\treloaderd-ports\n") && !status.contains("State:\tZ")
        }
    }

    func helper() throws -> Int32 {
        guard let currentHelper else { throw DidNotHappen(description: "the daemon has no helper:\n\(story)") }
        return currentHelper
    }

    /// Reads on until so many lines of workers begin like this.
    func lines(_ count: Int, thatStartWith start: String) throws {
        while otherLines.count(where: { $0.hasPrefix(start) }) < count { try nextLine() }
    }

    /// The last of all signals; one without a meaning, which the daemon says.
    static let barrier: Int32 = 64

    /// Returns when every signal that was sent before has been acted upon: those of lower numbers are heard first.
    ///
    /// - Parameter pid: the daemon's own, if something else has started it.
    func hearsAll(at pid: Int32? = nil) throws {
        if let pid { kill(pid, Self.barrier) } else { signal(Self.barrier) }
        try next("signal_ignored") { $0.number("signal") == Double(Self.barrier) }
    }

    /// The place of a record in the log.
    func place(of record: LogLine) -> Int { log.firstIndex { $0.text == record.text } ?? -1 }

    /// The records after this one.
    func records(after record: LogLine) -> ArraySlice<LogLine> { log[(place(of: record) + 1)...] }
}

/// How many workers were ready when, told from the records of the log alone.
enum Capacity {
    /// The least number of ready workers between two records, both included.
    static func least(in log: [LogLine], from first: LogLine, to last: LogLine) -> Int {
        var ready: Set<Int32> = []
        var isBetween = false
        var least = Int.max
        for record in log {
            if let pid = record.pid {
                switch record.event {
                case "worker_ready": ready.insert(pid)
                case "worker_draining", "worker_killed", "worker_exited": ready.remove(pid)
                default: break
                }
            }
            if record.text == first.text { isBetween = true }
            if isBetween { least = min(least, ready.count) }
            if record.text == last.text { break }
        }
        return least
    }

    /// Workers that are ready at the end of the log, with their generations.
    static func ready(in log: [LogLine]) -> [Int32: Int] {
        var ready: [Int32: Int] = [:]
        for record in log {
            guard let pid = record.pid else { continue }
            switch record.event {
            case "worker_ready": ready[pid] = record.generation
            case "worker_draining", "worker_killed", "worker_exited": ready[pid] = nil
            default: break
            }
        }
        return ready
    }
}
