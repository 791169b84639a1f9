// A child process of a test: started with exactly the descriptors that it is given, heard through its stdout and
// stderr, ended with the test at the latest.
import Glibc

final class KitChild {
    struct SpawnFailure: Error {
        var path: String
        var code: Int32
    }

    let pid: pid_t
    let output: KitLines
    let errors: KitLines
    private var input: Int32
    private var isReaped = false

    /// - Parameters:
    ///   - handedOver: become the child's descriptors 3, 4, …; they stay open here.
    ///   - listenCount: so many of those are announced as listeners (LISTEN_PID, LISTEN_FDS).
    init(
        _ path: String, _ arguments: [String] = [], environment: [String: String] = [:], handedOver: [Int32] = [],
        listenCount: Int? = nil
    ) throws {
        let (inputHere, inputThere) = try KitSocket.pair()
        let (outputHere, outputThere) = try KitSocket.pair()
        let (errorsHere, errorsThere) = try KitSocket.pair()
        input = inputHere
        output = KitLines(outputHere)
        errors = KitLines(errorsHere)

        // Numbers that no target below has, so that no dup2 runs over a source.
        let sources = ([inputThere, outputThere, errorsThere] + handedOver).map { fcntl($0, F_DUPFD_CLOEXEC, 200) }
        for descriptor in [inputThere, outputThere, errorsThere] { close(descriptor) }
        defer { for source in sources { close(source) } }

        var variables = environment
        variables["PATH"] = environment["PATH"] ?? getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
        var words = [path] + arguments
        if let listenCount {
            variables["LISTEN_FDS"] = "\(listenCount)"
            // Only the process itself knows its number before it runs the program.
            words = ["/bin/sh", "-c", #"export LISTEN_PID=$$; exec "$0" "$@""#] + words
        }
        pid = try Self.spawn(words, variables: variables, descriptors: sources)
    }

    deinit {
        closeInput()
        if !isReaped {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
    }

    func signal(_ number: Int32) { kill(pid, number) }

    func closeInput() {
        if input >= 0 { close(input) }
        input = -1
    }

    /// Waits for the end of the child's stdout, which comes with its own, then for its status: the exit code, or 128
    /// and the signal's number.
    func waitForExit() throws -> Int32 {
        try output.readToEnd()
        try errors.readToEnd()
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 {
            if errno != EINTR { throw SpawnFailure(path: "waitpid", code: errno) }
        }
        isReaped = true
        return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
    }

    private static func spawn(_ words: [String], variables: [String: String], descriptors: [Int32]) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (target, source) in descriptors.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, source, Int32(target))
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        let argv = words.map { strdup($0) } + [nil]
        let environ = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for string in argv + environ { free(string) } }
        var pid: pid_t = 0
        let code = SpawnLock.hold { posix_spawnp(&pid, words[0], &actions, &attributes, argv, environ) }
        guard code == 0 else { throw SpawnFailure(path: words[0], code: code) }
        return pid
    }
}

/// Where the build has put the programs, and the sources of the examples.
enum KitPrograms {
    static let httpWorker = built("http-worker")
    static let strictClient = built("strict-client")
    static let kitProbe = built("kit-probe")

    private static func built(_ name: String) -> String { "\(folder(of: ownPath(), up: 1))/\(name)" }

    static func source(_ path: String) -> String { "\(folder(of: #filePath, up: 3))/\(path)" }

    private static func folder(of path: String, up levels: Int) -> String {
        path.split(separator: "/").dropLast(levels).reduce("") { $0 + "/" + $1 }
    }

    private static func ownPath() -> String {
        var bytes = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
