// How one program takes the place of another in the same process: by execve(2), with the state in a file in memory and
// all descriptors that it names. A variable of the environment tells the new program that it is to go on; it takes the
// variable away at once, so that no worker sees it.
//
// If the new program can't go on, it executes the old one by the descriptor that it was given, with the same state. The
// old one gets no such descriptor, so that two programs can't hand the state to each other for ever.
internal import CLinux
internal import Glibc

/// What a program finds that is executed in the place of a daemon.
public struct Succession: ~Copyable {
    /// `RELOADERD_SUCCESSION=PID,STATE,PROGRAM,HANGUP[,REASON]`
    private static let variable = "RELOADERD_SUCCESSION"

    private let stateNumber: Int32
    /// The program before this one; nil: it is this one, which was executed again.
    private let programNumber: Int32?
    /// Why the program that was to take the place of this one could not; nil: there was none.
    let failure: String?
    private let hangUpWasIgnored: Bool

    /// What this process is to go on with; nil: it was started like any other. Call it first in main.
    public static func take() -> Succession? {
        guard let text = getenv(variable) else { return nil }
        let words = String(cString: text).split(separator: ",", maxSplits: 4, omittingEmptySubsequences: false)
        unsetenv(variable)
        // A variable that came to another process means nothing there.
        guard words.count >= 4, words[0] == String(getpid()), let state = Int32(words[1]),
            let program = Int32(words[2]), state > 2, rl_is_sealed(state)
        else { return nil }
        return Succession(
            stateNumber: state, programNumber: program > 2 ? program : nil,
            failure: words.count > 4 ? String(words[4]) : nil, hangUpWasIgnored: words[3] == "1")
    }

    /// Blocks the daemon's signals as `blockSignals` does, and keeps those that wait.
    public func keepSignals() throws(SystemError) {
        let wasIgnored = hangUpWasIgnored
        try checked("sigprocmask") { rl_keep_signals(wasIgnored) }
    }

    func read() throws(StateError) -> StateRows { StateRows(try StateFile.read(stateNumber)) }

    /// The descriptors that only the succession needed.
    func close() {
        Glibc.close(stateNumber)
        if let programNumber { Glibc.close(programNumber) }
    }

    /// Executes the program before this one.
    ///
    /// - Returns: only if that fails, with the reason.
    func goBack(because reason: String) -> String {
        guard let programNumber else { return "there is no program to go back to" }
        // It has no use for the descriptor of itself.
        _ = fcntl(programNumber, F_SETFD, FD_CLOEXEC)
        let words = "\(getpid()),\(stateNumber),0,\(Self.hangUp),\(reason)"
        Self.execute(words) { arguments, environment in
            _ = fexecve(programNumber, arguments, environment)
        }
        return "fexecve: \(String(cString: rl_error_text(errno)))"
    }

    /// Executes `path` in the place of this process.
    ///
    /// - Returns: only if that fails.
    static func execute(_ path: String, state: Int32, program: Int32) -> SystemError {
        execute("\(getpid()),\(state),\(program),\(hangUp)") { arguments, environment in
            _ = execve(path, arguments, environment)
        }
        return SystemError(call: "execve", errno: errno, subject: path)
    }

    private static var hangUp: Int { rl_hangup_was_ignored() ? 1 : 0 }

    private typealias Strings = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

    /// With the arguments and the environment as they were, and the variable.
    private static func execute(_ words: String, _ body: (Strings, Strings) -> Void) {
        var variables: [UnsafeMutablePointer<CChar>?] = []
        var next = environ
        while let entry = next.pointee {
            variables.append(entry)
            next += 1
        }
        "\(variable)=\(words)".withCString { own in
            variables += [UnsafeMutablePointer(mutating: own), nil]
            variables.withUnsafeMutableBufferPointer { variables in
                if let start = variables.baseAddress { body(CommandLine.unsafeArgv, start) }
            }
        }
    }
}

/// Keeps descriptors open over an exec, and no longer.
struct DescriptorsOverExec {
    let numbers: Set<Int32>

    /// - Throws: if one of them is not open. None is kept then.
    func keep() throws(SystemError) {
        do throws(SystemError) {
            for number in numbers { try checked("fcntl", "F_SETFD") { fcntl(number, F_SETFD, 0) } }
        } catch {
            letGo()
            throw error
        }
    }

    func letGo() { for number in numbers { _ = fcntl(number, F_SETFD, FD_CLOEXEC) } }
}
