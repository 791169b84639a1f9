// A process of a test's own: started, heard, signalled and waited for by event, never by time; gone when the test ends.
import CLinux
import Foundation
import Glibc

/// Thrown when something that must happen does not: the limit only keeps a broken test from hanging for ever.
struct DidNotHappen: Error, CustomStringConvertible {
    var description: String
}

final class ChildProcess {
    /// How long any single event may take on a machine that is busy with other tests.
    static let patienceMilliseconds: Int32 = 60_000

    let pid: pid_t
    let output: LineReader
    let errors: LineReader
    private var input: Int32?
    private let pidfd: Int32
    private var status: Int32?

    /// - Parameters:
    ///   - environment: `NAME=VALUE`; nothing else is passed on.
    ///   - inheriting: descriptors of this process that become 3, 4, … of the child.
    ///   - leadsSession: it has no controlling terminal, and gets the first that it opens.
    init(
        _ words: [String], environment: [String] = ChildProcess.plainEnvironment, directory: String? = nil,
        inheriting: [Int32] = [], leadsSession: Bool = false
    ) throws {
        let (inputRead, inputWrite) = try Self.pipe()
        // The read end doesn't block, which suits a reader here and not a child's standard input.
        _ = fcntl(inputRead, F_SETFL, O_RDONLY)
        let (outputRead, outputWrite) = try Self.pipe()
        let (errorsRead, errorsWrite) = try Self.pipe()
        defer { for number in [inputRead, outputWrite, errorsWrite] { close(number) } }

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (number, target) in [(inputRead, Int32(0)), (outputWrite, 1), (errorsWrite, 2)] {
            posix_spawn_file_actions_adddup2(&actions, number, target)
        }
        // Copied beyond all targets, so that none is overwritten before it is taken.
        let copies = inheriting.map { fcntl($0, F_DUPFD_CLOEXEC, Int32(3 + inheriting.count)) }
        defer { for number in copies where number >= 0 { close(number) } }
        guard copies.allSatisfy({ $0 >= 0 }) else {
            throw DidNotHappen(description: "cannot hand descriptors \(inheriting) to a child")
        }
        for (index, number) in copies.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, number, Int32(3 + index))
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Its own process group: nothing sent to the tests' group, from a terminal say, may reach it.
        posix_spawnattr_setflags(
            &attributes,
            Int16(
                (leadsSession ? Self.spawnInSession : POSIX_SPAWN_SETPGROUP) | POSIX_SPAWN_SETSIGMASK
                    | POSIX_SPAWN_SETSIGDEF))
        // Whatever the tests' own process blocks or ignores.
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)

        // env(1) changes the directory and becomes the program; posix_spawn's own way is not portable.
        let words = (directory.map { ["env", "-C", $0] } ?? []) + words
        var arguments = words.map { strdup($0) } + [nil]
        var variables = environment.map { strdup($0) } + [nil]
        defer { for pointer in arguments + variables { free(pointer) } }
        var started: pid_t = 0
        let failure = SpawnLock.hold {
            posix_spawnp(&started, words[0], &actions, &attributes, &arguments, &variables)
        }
        guard failure == 0 else {
            throw DidNotHappen(description: "cannot start \(words): \(String(cString: strerror(failure)))")
        }
        pid = started
        pidfd = rl_pidfd_open(pid)
        input = inputWrite
        output = LineReader(owning: outputRead)
        errors = LineReader(owning: errorsRead)
    }

    /// POSIX_SPAWN_SETSID, which Swift does not see: <spawn.h> declares it only with _GNU_SOURCE.
    private static let spawnInSession: Int32 = 0x80

    /// PATH is this machine's own: it says where programs are.
    static let plainEnvironment = [
        "PATH=\(getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")",
        "LANG=C.UTF-8",
    ]

    func signal(_ number: Int32) { _ = rl_signal(pidfd, number) }

    /// Another descriptor of its pidfd.
    func pidfdCopy() -> Int32 { fcntl(pidfd, F_DUPFD_CLOEXEC, 3) }

    /// A line to its standard input.
    func writeLine(_ text: String = "") {
        if let input { _ = write(input, text + "\n", text.utf8.count + 1) }
    }

    func closeInput() {
        if let input { close(input) }
        input = nil
    }

    var isRunning: Bool { status == nil && !waitsAtMost(0) }

    /// The exit status, or 128 + the signal that killed it, as a shell counts.
    @discardableResult
    func wait() throws -> Int32 {
        if let status { return status }
        guard waitsAtMost(Self.patienceMilliseconds) else {
            throw DidNotHappen(description: "process \(pid) does not end")
        }
        return reap()
    }

    private func waitsAtMost(_ milliseconds: Int32) -> Bool {
        var request = pollfd(fd: pidfd, events: Int16(POLLIN), revents: 0)
        return poll(&request, 1, milliseconds) > 0
    }

    private func reap() -> Int32 {
        var exit = rl_exit()
        _ = rl_reap_child(pid, &exit)
        let result = exit.signaled ? 128 + exit.status : exit.status
        status = result
        return result
    }

    /// Both ends close-on-exec, so that children of tests that run at the same time don't hold them open. The read end,
    /// which comes first, doesn't block.
    static func pipe() throws -> (Int32, Int32) {
        var ends: [Int32] = [-1, -1]
        guard rl_pipe(&ends) == 0 else {
            throw DidNotHappen(description: "no pipe: \(String(cString: strerror(errno)))")
        }
        return (ends[0], ends[1])
    }

    deinit {
        closeInput()
        if status == nil {
            // The fast stop: a daemon takes its workers along. What doesn't know it is killed.
            signal(SIGCONT)
            signal(SIGQUIT)
            if !waitsAtMost(10_000) { signal(SIGKILL) }
            _ = reap()
        }
        closeInput()
        close(pidfd)
    }
}

/// Tests run at the same time in one process. A descriptor that one of them has open for writing lives on in a child
/// that another starts at this moment, until that child is executed; and a file that is open for writing cannot be
/// executed (ETXTBSY). So no test writes a file while another starts a process.
enum SpawnLock {
    private static let lock = NSLock()

    static func hold<Result>(_ body: () throws -> Result) rethrows -> Result { try lock.withLock(body) }
}
