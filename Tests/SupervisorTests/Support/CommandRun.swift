// One run of a command to its end: status, standard output and standard error.
import Glibc

struct CommandRun {
    let status: Int32
    let output: String
    let errors: String

    /// Lines of standard error.
    var errorLines: [Substring] { errors.split(separator: "\n", omittingEmptySubsequences: true) }

    /// Both outputs in one line, wherever their lines were broken.
    var flat: String { (output + errors).split { $0 == " " || $0 == "\n" }.joined(separator: " ") }

    /// Runs `reloaderd` with these words.
    static func reloaderd(_ words: [String], environment: [String] = ["PATH=/usr/bin:/bin"]) throws -> CommandRun {
        try run([Products.reloaderd] + words, environment: environment)
    }

    @discardableResult
    static func run(_ words: [String], environment: [String] = ["PATH=/usr/bin:/bin"]) throws -> CommandRun {
        try run(words.map { Array($0.utf8) }, environment: environment)
    }

    /// Ends the command after a minute, with status 124: one that goes on running has failed the test.
    static func run(_ words: [[UInt8]], environment: [String] = ["PATH=/usr/bin:/bin"]) throws -> CommandRun {
        // Files, because nobody has to read them at the same time, and no other child can keep them open.
        let output = try CaptureFile()
        let errors = try CaptureFile()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output.number, 1)
        posix_spawn_file_actions_adddup2(&actions, errors.number, 2)

        let limit = ["/usr/bin/timeout", "--kill-after=5", "60"].map { Array($0.utf8) }
        var arguments = (limit + words).map { cString($0) } + [nil]
        var variables = environment.map { cString(Array($0.utf8)) } + [nil]
        defer { for pointer in arguments + variables { free(pointer) } }
        var pid: pid_t = 0
        let failure = SpawnLock.hold {
            posix_spawn(&pid, "/usr/bin/timeout", &actions, nil, &arguments, &variables)
        }
        guard failure == 0 else { throw RunError(call: "posix_spawn", number: failure) }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 {
            guard errno == EINTR else { throw RunError(call: "waitpid", number: errno) }
        }
        let code = status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + (status & 0x7F)
        return CommandRun(status: code, output: output.contents(), errors: errors.contents())
    }
}

struct RunError: Error {
    var call: String
    var number: Int32
}

private func cString(_ bytes: [UInt8]) -> UnsafeMutablePointer<CChar>? {
    strdup((bytes + [0]).map { CChar(bitPattern: $0) })
}

/// A file without a name.
private final class CaptureFile {
    let number: Int32

    init() throws {
        var template = Array("/tmp/reloaderd-test.XXXXXX".utf8CString)
        number = mkstemp(&template)
        guard number >= 0, fcntl(number, F_SETFD, FD_CLOEXEC) == 0 else {
            throw RunError(call: "mkstemp", number: errno)
        }
        unlink(template)
    }

    func contents() -> String {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = pread(number, &chunk, chunk.count, off_t(bytes.count))
            if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += chunk[..<count]
        }
    }

    deinit { close(number) }
}
