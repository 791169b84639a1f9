// From the arguments of the process to its exit status: decide what was asked, do it, say what went wrong.
import Glibc
import Supervisor

/// EX_USAGE of sysexits.h: whatever is wrong with options, config file or names, before anything was started.
let exitUsage: Int32 = 64
/// EX_IOERR: standard output could not be written.
let exitOutput: Int32 = 74

/// Runs what this process' arguments ask for and returns its exit status.
func runCommand() -> Int32 {
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
        // Who has a port now says nothing of a command line that is wrong anyway.
        if reading.problems.isEmpty { problems += listenerProblems(reading.settings) }
        return problems.isEmpty ? printOut("reloaderd: OK: \(summary(reading.settings))\n") : refuse(problems)
    case .run:
        // One problem a start: the first is the one to look at, and --check lists them all.
        if let first = reading.problems.first { return refuse([first]) }
        return runDaemon(settings: reading.settings) { () throws(ConfigurationError) in
            try loadSettings(arguments: arguments, startDirectory: startDirectory).settings
        }
    }
}

/// `help`, `help VERB` and `version`, which other tools have; nil: it is none of them.
private func runPlainWord(_ arguments: [String]) -> Int32? {
    switch arguments.first {
    case "version": return printOut("reloaderd \(version)\n")
    case "help":
        guard let word = arguments.dropFirst().first else { return printOut(helpText()) }
        guard let verb = Verb.named(MeantVerb.aliases[word] ?? word) else {
            return refuse([ConfigurationError("help: there is no verb \(quoted(word)): reloaderd --help lists them")])
        }
        return printOut(helpText(of: verb))
    default: return nil
    }
}

/// The verb that this process' first argument is, if it is one.
func askedVerb() -> Verb? {
    guard CommandLine.argc > 1, let bytes = CommandLine.unsafeArgv[1] else { return nil }
    let word = String(cString: bytes)
    return Verb.named(MeantVerb.aliases[word] ?? word)
}

/// Does what the arguments after `verb` ask for, and returns the exit status.
func runVerb(_ verb: Verb) -> Int32 {
    do throws(ConfigurationError) { return runVerb(verb, try processArguments().dropFirst()) } catch {
        return refuse([error])
    }
}

/// The arguments after the process' own name.
///
/// `CommandLine.arguments` repairs what is not UTF-8, which would start a program with other arguments than those given.
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

func refuse(_ problems: [ConfigurationError], status: Int32 = exitUsage) -> Int32 {
    for problem in problems { writeAll("reloaderd: \(problem)\n", to: STDERR_FILENO) }
    return status
}

@discardableResult
func printOut(_ text: String) -> Int32 {
    if writeAll(text, to: STDOUT_FILENO) { return 0 }
    let number = errno
    // `reloaderd --help | head` is nobody's mistake: end as if SIGPIPE, which the daemon ignores, had come.
    if number == EPIPE { return 128 + SIGPIPE }
    let reason = String(cString: strerror(number))
    writeAll("reloaderd: cannot write to standard output: \(reason)\n", to: STDERR_FILENO)
    return exitOutput
}

/// False, with errno set, when not all of it could be written. For standard error there is nobody left to tell.
@discardableResult
func writeAll(_ text: String, to descriptor: Int32) -> Bool {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
        let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if count > 0 { bytes = bytes.dropFirst(count) } else if count == 0 || errno != EINTR { return false }
    }
    return true
}
