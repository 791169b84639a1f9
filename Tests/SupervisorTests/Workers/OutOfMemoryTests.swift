// A worker that the kernel has killed because memory ran out is called that; in a control group of the test's own.
import Foundation
import Glibc
import Testing

@Suite struct OutOfMemoryTests {
    /// A group with little memory; nil: none can be made here.
    private static let group: (path: String, members: String)? = {
        let name = "reloaderd-test-\(UUID().uuidString)"
        for (root, limit, members) in [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "tasks"),
            ("/sys/fs/cgroup", "memory.max", "cgroup.procs"),
        ] {
            let path = "\(root)/\(name)"
            if mkdir(path, 0o755) != 0 { continue }
            let file = open("\(path)/\(limit)", O_WRONLY | O_CLOEXEC)
            defer { close(file) }
            let bytes = Array("100000000".utf8)
            if write(file, bytes, bytes.count) == bytes.count { return (path, members) }
            rmdir(path)
        }
        return nil
    }()

    @Test(.disabled(if: group == nil, "no memory cgroup can be made here"))
    func itSaysSo() throws {
        let group = try #require(Self.group)
        let daemon = try DaemonUnderTest(
            ["--workers", "1", "--backoff", "1h", "--backoff-cap", "1h"]
                + Apps.shell(
                    "[ $RELOADERD_GENERATION = 1 ] || kill -KILL $$; exec python3 -c 'x = bytearray(1 << 28)'"),
            under: ["/bin/sh", "-c", "echo $$ >\(group.path)/\(group.members); exec \"$@\"", "sh"])
        #expect(
            try daemon.next("worker_failed").message
                == "worker was killed by signal 9 (Killed), out of memory, before it was ready")
        // And one that was killed by somebody is not.
        daemon.signal(SIGHUP)
        #expect(
            try daemon.next("worker_failed").message == "worker was killed by signal 9 (Killed) before it was ready")
        #expect(try daemon.stop() == 0)
        daemon.leavesNothing()
        rmdir(group.path)
    }
}
