// From the arguments of the process to its exit status: decide what was asked for, do it, and print what went wrong.
import Glibc
import Supervisor

/// Printed by `--version`.
let version = "0.1.0"

/// The exit statuses of the command. A daemon's are those of `StartError` and of `Daemon.run`.
enum ExitStatus {
    /// The verb failed and was reverted, or was refused.
    static let failed: Int32 = 1
    /// Another reload took the place of this one.
    static let superseded: Int32 = 2
    /// `status --exit-code`: some slots have no worker that serves, and none fails.
    static let notReady: Int32 = 2
    /// `doctor`: nothing keeps a daemon from working, and something costs it something.
    static let worksWithLess: Int32 = 2
    /// The verb was not done within its time limit.
    static let timedOut: Int32 = 3
    /// No daemon is running, or it ended without an answer.
    static let noDaemon: Int32 = 4
    /// The daemon was stopped meanwhile, so that nothing serves any more.
    static let stopped: Int32 = 5
    /// EX_USAGE of sysexits.h: options, the config file or names are wrong, and nothing was started.
    static let usage: Int32 = 64
    /// EX_IOERR of sysexits.h: standard output could not be written.
    static let output: Int32 = 74
}

// MARK: the daemon

/// Runs what this process' arguments ask for and returns its exit status.
func runCommand() -> Int32 {
    // Swift reads them from /proc. Without it, nothing of the daemon's would work.
    if CommandLine.argc == 0 {
        return refuse(
            [ConfigurationError("/proc is not mounted (mount -t proc proc /proc)")], status: ExitStatus.failed)
    }
    let arguments: [String]
    do throws(ConfigurationError) { arguments = try processArguments() } catch { return refuse([error]) }
    if let status = runPlainWord(arguments) { return status }

    let startDirectory = StartDirectory.current()
    let reading = readSettings(arguments: arguments, startDirectory: startDirectory)
    switch reading.action {
    case .help: return printOut(helpText())
    case .version: return printOut("reloaderd \(version)\n")
    case .check:
        var problems = reading.problems + findProblems(reading.settings)
        // If the command line is wrong, the holder of a port tells nothing.
        if reading.problems.isEmpty { problems += listenerProblems(reading.settings) }
        return problems.isEmpty ? printOut("reloaderd: OK: \(summary(reading.settings))\n") : refuse(problems)
    case .run:
        // A start reports the first problem; --check lists them all.
        if let first = reading.problems.first { return refuse([first]) }
        return runDaemon(settings: reading.settings, startDirectory) { () throws(ConfigurationError) in
            try loadSettings(arguments: arguments, startDirectory: startDirectory).settings
        }
    }
}

/// Runs the daemon with `settings` until it ends, and returns its exit status.
///
/// - Parameter source: reads the settings again for a reload: the same arguments, and the config file as it is then.
private func runDaemon(
    settings: Settings, _ startDirectory: StartDirectory, source: @escaping SettingsSource
) -> Int32 {
    do throws(StartError) {
        return try Daemon.started(settings, version: version, launch: startDirectory.launch, readingAgain: source).run()
    } catch {
        writeAll("reloaderd: \(error)\n", to: 2)
        return error.exitStatus
    }
}

/// Goes on in the place of another program, and returns the exit status. The arguments of the process are that
/// program's: they are read again at the next reload.
func goOn(_ succession: borrowing Succession) -> Int32 {
    do throws(StartError) {
        return try Daemon.goOn(succession, version: version) { place in
            { () throws(ConfigurationError) in
                try loadSettings(arguments: try processArguments(), startDirectory: StartDirectory(place)).settings
            }
        }
    } catch {
        writeAll("reloaderd: \(error)\n", to: STDERR_FILENO)
        return error.exitStatus
    }
}

/// Runs `help`, `help VERB` and `version`, which other tools have too. nil if the first argument is none of them.
private func runPlainWord(_ arguments: [String]) -> Int32? {
    switch arguments.first {
    case "version": return printOut("reloaderd \(version)\n")
    case "help":
        guard let word = arguments.dropFirst().first else { return printOut(helpText()) }
        guard let verb = Verb.named(MeantVerb.aliases[word] ?? word) else {
            return refuse([
                ConfigurationError("help: there is no verb \(quoted(word)): reloaderd --help lists the verbs")
            ])
        }
        return printOut(helpText(of: verb))
    default: return nil
    }
}

// MARK: verbs

/// The verb that the first argument of this process names, if any.
func askedVerb() -> Verb? {
    guard CommandLine.argc > 1, let bytes = CommandLine.unsafeArgv[1] else { return nil }
    let word = String(cString: bytes)
    return Verb.named(MeantVerb.aliases[word] ?? word)
}

/// Runs `verb` with the arguments that follow it, and returns the exit status.
func runVerb(_ verb: Verb) -> Int32 {
    do throws(ConfigurationError) { return runVerb(verb, try processArguments().dropFirst()) } catch {
        return refuse([error])
    }
}

private func runVerb(_ verb: Verb, _ words: ArraySlice<String>) -> Int32 {
    let call: Call
    do throws(ConfigurationError) { call = try Call(verb, words) } catch { return refuse([error]) }
    if call.wantsHelp { return printOut(helpText(of: verb)) }
    do throws(VerbError) { return try verb.run(call) } catch {
        return refuse([ConfigurationError(error.message)], status: error.exitStatus)
    }
}

// MARK: input and output

/// The arguments after the process' own name.
///
/// `CommandLine.arguments` repairs text that is not UTF-8, and would so start a program with other arguments than the
/// given ones.
private func processArguments() throws(ConfigurationError) -> [String] {
    var arguments: [String] = []
    for index in 1..<max(1, Int(CommandLine.argc)) {
        guard let bytes = CommandLine.unsafeArgv[index] else { break }
        guard let argument = String(validatingCString: bytes) else {
            throw ConfigurationError("argument \(index), \(quoted(String(cString: bytes))), is not UTF-8 text")
        }
        arguments.append(argument)
    }
    return arguments
}

/// Prints `problems` on standard error, and returns `status`.
func refuse(_ problems: [ConfigurationError], status: Int32 = ExitStatus.usage) -> Int32 {
    for problem in problems { writeAll("reloaderd: \(problem)\n", to: STDERR_FILENO) }
    return status
}

/// Prints `text` on standard output, and returns the exit status: 0, or that of a failed write.
@discardableResult
func printOut(_ text: String) -> Int32 {
    if writeAll(text, to: STDOUT_FILENO) { return 0 }
    let number = errno
    // In `reloaderd --help | head` nothing is wrong: end as SIGPIPE, which is ignored here, would have ended the
    // process.
    if number == EPIPE { return 128 + SIGPIPE }
    let reason = String(cString: strerror(number))
    writeAll("reloaderd: cannot write to standard output: \(reason)\n", to: STDERR_FILENO)
    return ExitStatus.output
}

/// False, with errno set, if the text could not be written whole. A failure on standard error cannot be reported
/// anywhere.
@discardableResult
func writeAll(_ text: String, to descriptor: Int32) -> Bool {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
        let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if count > 0 { bytes = bytes.dropFirst(count) } else if count == 0 || errno != EINTR { return false }
    }
    return true
}
