// The log if standard error is the journal: a stream socket that JOURNAL_STREAM names.
import CLinux
import Glibc
import Testing

@Suite struct JournalTests {
    /// Runs a pool that warns, fails and ends, with a socket as standard error; returns the lines that came out.
    private func lines(journalStream: (UInt, UInt) -> String?) throws -> [String] {
        var ends: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        let journal = LineReader(owning: ends[0])
        var status = stat()
        fstat(ends[1], &status)
        let stream = journalStream(status.st_dev, status.st_ino).map { ["JOURNAL_STREAM=\($0)"] } ?? []
        // The worker fails, is waited for 1ms, fails again; then the daemon has had enough.
        let daemon = try ChildProcess(
            [
                "sh", "-c", "exec \"$0\" \"$@\" 2>&3 3>&-", Products.reloaderd, "--workers", "1", "--backoff", "1ms",
                "--give-up", "2/1m", "--control", "none", "python3", Products.worker, "err", "words of its own", "exit",
                "3",
            ], environment: ChildProcess.plainEnvironment + stream, inheriting: [ends[1]])
        close(ends[1])
        let lines = try journal.rest()
        #expect(try daemon.wait() == 1)
        return lines
    }

    @Test func levelsStandBeforeEachLine() throws {
        let lines = try lines { "\($0):\($1)" }
        for (prefix, level) in [("<6>", "info"), ("<4>", "warning"), ("<3>", "error")] {
            let own = lines.filter { $0.contains(" level=\(level) ") }
            #expect(!own.isEmpty, "\(level) in \(lines)")
            #expect(own.allSatisfy { $0.hasPrefix("\(prefix)time=") }, "\(own)")
        }
        // Byte for byte.
        #expect(lines.contains("words of its own"))
    }

    /// Redirected since: the variable names another stream.
    @Test func noLevelsWhereItIsNotTheJournal() throws {
        for stream in [nil, "1:2", "", ":", "x"] as [String?] {
            let lines = try lines { _, _ in stream }
            #expect(!lines.isEmpty)
            #expect(lines.allSatisfy { !$0.hasPrefix("<") }, "\(lines)")
        }
    }
}
