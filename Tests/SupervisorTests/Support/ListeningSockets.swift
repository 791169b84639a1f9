// Which listening TCP sockets there are, and which processes have them, from the kernel.
import CLinux
import Foundation
import Testing

enum ListeningSockets {
    /// Inodes of all that listen on a port of this network; nil: on any. (From the kernel's own dump: a reader
    /// of /proc/net/tcp may miss some while others open and close sockets.)
    static func inodes(on port: Int? = nil) throws -> Set<Int> {
        let room = 65_536
        let buffer = UnsafeMutableBufferPointer<rl_socket>.allocate(capacity: room)
        defer { buffer.deallocate() }
        let count = rl_sockets(buffer.baseAddress, room)
        guard count >= 0 else {
            throw DidNotHappen(description: "no dump of sockets: \(String(cString: strerror(errno)))")
        }
        return Set(
            buffer[..<count].lazy.filter { $0.listens && $0.address <= UInt64(UInt16.max) }
                .filter { port == nil || $0.address == UInt64(port ?? 0) }.map { Int($0.inode) })
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

    /// Inodes of the listening sockets that only this process has.
    static func alone(_ pid: Int32) throws -> Set<Int> {
        var own = open(in: pid).intersection(try inodes())
        let others = ProcessView.all.filter { $0.pid != pid }
        for other in others where !own.isEmpty { own.subtract(open(in: other.pid)) }
        // Rarely, a thread has descriptors of its own.
        for other in others where !own.isEmpty {
            let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(other.pid)/task")) ?? []
            for thread in threads.compactMap({ Int32($0) }) { own.subtract(open(in: thread)) }
        }
        return own
    }
}

extension DaemonUnderTest {
    var descriptorCount: Int {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd")) ?? []).count
    }

    /// What the daemon holds alone looks open to clients, and nobody accepts from it. A listener of a worker that has
    /// just ended is closed when the daemon has heard that; the log goes on until then.
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
