// Which listening TCP sockets there are, and who has them, from /proc.
import Foundation
import Testing

enum ListeningSockets {
    /// Inodes of all that listen on a port of this network; nil: on any.
    static func inodes(on port: Int? = nil) throws -> Set<Int> {
        var inodes: Set<Int> = []
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            let text = try String(contentsOfFile: table, encoding: .utf8)
            for line in text.split(separator: "\n").dropFirst() {
                let fields = line.split(separator: " ")
                guard fields.count > 9, fields[3] == "0A", let inode = Int(fields[9]),
                    let own = fields[1].split(separator: ":").last.flatMap({ Int($0, radix: 16) }),
                    port == nil || port == own
                else { continue }
                inodes.insert(inode)
            }
        }
        return inodes
    }

    /// Inodes of the sockets that a process has open.
    static func open(in pid: Int32) -> Set<Int> {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd")) ?? []
        return Set(
            names.compactMap { name in
                let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/fd/\(name)")
                guard let link, link.hasPrefix("socket:[") else { return nil }
                return Int(link.dropFirst(8).dropLast())
            })
    }

    /// Those that only this process has, of all that there are.
    static func alone(_ pid: Int32) throws -> Set<Int> {
        var own = open(in: pid).intersection(try inodes())
        for other in ProcessView.all where other.pid != pid && !own.isEmpty { own.subtract(open(in: other.pid)) }
        return own
    }
}

extension DaemonUnderTest {
    var descriptorCount: Int {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd")) ?? []).count
    }

    /// What the daemon holds alone looks open to clients, and nobody accepts from it. That of a worker which has just ended is
    /// let go of when the daemon has heard that; the log goes on until then.
    func holdsNoListenerAlone(sourceLocation: SourceLocation = #_sourceLocation) throws {
        let patience = ContinuousClock.now + .milliseconds(ChildProcess.patienceMilliseconds)
        while !(try ListeningSockets.alone(pid).isEmpty) {
            guard ContinuousClock.now < patience, (try? nextLine()) != nil else {
                Issue.record("the daemon holds listeners alone\n\(story)", sourceLocation: sourceLocation)
                return
            }
        }
    }
}
