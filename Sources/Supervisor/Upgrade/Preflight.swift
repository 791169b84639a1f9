// A run of the new program beside the daemon, before anything has happened: it reads the state, and says whether it
// could go on with it. A program that hangs, dies or is something else altogether has been found out by then.
internal import CLinux
internal import Glibc
internal import Reloader

/// One run. Lives until its end is seen.
final class Preflight {
    /// Reading the state of the largest pool takes less than a second.
    static let patience = Duration.seconds(10)
    /// The argument that asks for it. No program but reloaderd knows it, and an older reloaderd refuses it.
    static let argument = "--could-go-on"
    /// The whole output of a program that could go on begins with that; its version follows.
    static let consent = "reloaderd could go on: "
    /// What is read of its output.
    private static let answerBytesMax = 4096

    let start: ProcessStart
    private let answer: FileDescriptor
    /// On the monotonic clock.
    let deadline: Instant

    /// What the program has said.
    enum Verdict {
        case couldGoOn(version: String)
        case couldNot(reason: String)
    }

    /// Starts it.
    ///
    /// - Parameter path: of the new program.
    init(_ path: String, _ rows: [StateRow], environment: Environment, fileLimit: ResourceLimit) throws(SystemError) {
        let file = HandedDescriptor(try StateFile(rows).takeDescriptor())
        let pipe = try Pipe()
        let output = pipe.writeEnd
        let null = HandedDescriptor(
            FileDescriptor(owning: try checked("open", "/dev/null") { open("/dev/null", O_RDWR | O_CLOEXEC) }))
        let directory = HandedDescriptor(
            FileDescriptor(owning: try checked("open", ".") { open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) }))
        let variables = CStrings(environment.strings)
        let arguments = CStrings([path, Self.argument].map { Array($0.utf8) })
        defer { withExtendedLifetime((variables, arguments)) {} }
        var request = rl_spawn_request()
        request.executable = -1
        request.directory = directory.number
        request.mask = -1
        request.cpu = -1
        do throws(StartFailure) {
            start = try ProcessStart(
                request, path: path, arguments: arguments.pointers + [nil], environment: variables.pointers + [nil],
                descriptors: [file.number, output.number, null.number],
                limits: [rl_limit(resource: fileLimit.resource, soft: fileLimit.soft, hard: fileLimit.hard)],
                handed: [file, output, null, directory])
        } catch { throw error.error }
        answer = pipe.takeReadEnd()
        deadline = MonotonicClock.now() + Self.patience
    }

    var pid: Int32 { start.pid }

    var channels: [Channel] { [start.channel, start.exit] }

    func kill() { _ = rl_kill_with_group(start.exit.number, pid) }

    /// Reaps the process if it has ended; nil while it still runs, or is being set up.
    func reap(_ loop: Loop) throws(SystemError) -> Verdict? {
        if !isExecuted {
            switch try start.look(loop) {
            case nil: return nil
            case .failed(let failure)?:
                return .couldNot(reason: "it cannot be executed: \(failure.error.reason)")
            case .executed?: isExecuted = true
            }
        }
        var exit = rl_exit()
        let number = start.exit.number
        try checked("waitid", "pid \(pid)") { rl_peek_pidfd(number, &exit) }
        if exit.pid == 0 { return nil }
        _ = rl_signal_group(number, pid, SIGKILL)
        try checked("waitid", "pid \(pid)") { rl_reap_pidfd(number, &exit) }
        return verdict(on: ExitStatus(exit), words)
    }

    private var isExecuted = false

    /// The first line that it has written.
    private var words: String {
        var bytes = [UInt8](repeating: 0, count: Self.answerBytesMax)
        let count = read(answer.number, &bytes, bytes.count)
        let line = bytes[..<max(0, count)].prefix { $0 != UInt8(ascii: "\n") }
        return printable(String(decoding: line, as: UTF8.self))
    }

    private func verdict(on status: ExitStatus, _ words: String) -> Verdict {
        if status == .exited(code: 0), words.hasPrefix(Self.consent) {
            return .couldGoOn(version: String(words.dropFirst(Self.consent.count)))
        }
        switch status {
        case .exited(code: 0): return .couldNot(reason: "it is no reloaderd that can take over")
        case .exited where !words.isEmpty: return .couldNot(reason: words)
        case .exited, .signaled, .unknown: return .couldNot(reason: "its trial run \(status.words)")
        }
    }
}
