// Names of signals: `TERM`, `SIGTERM`, `RTMIN+3`, `15`. See signal(7).
internal import Glibc

private let signalNumbers: [(name: String, number: Int32)] = [
    ("HUP", SIGHUP), ("INT", SIGINT), ("QUIT", SIGQUIT), ("ILL", SIGILL), ("TRAP", SIGTRAP), ("ABRT", SIGABRT),
    ("BUS", SIGBUS), ("FPE", SIGFPE), ("KILL", SIGKILL), ("USR1", SIGUSR1), ("SEGV", SIGSEGV), ("USR2", SIGUSR2),
    ("PIPE", SIGPIPE), ("ALRM", SIGALRM), ("TERM", SIGTERM), ("STKFLT", 16), ("CHLD", SIGCHLD), ("CONT", SIGCONT),
    ("STOP", SIGSTOP), ("TSTP", SIGTSTP), ("TTIN", SIGTTIN), ("TTOU", SIGTTOU), ("URG", SIGURG), ("XCPU", SIGXCPU),
    ("XFSZ", SIGXFSZ), ("VTALRM", SIGVTALRM), ("PROF", SIGPROF), ("WINCH", SIGWINCH), ("IO", SIGIO), ("PWR", SIGPWR),
    ("SYS", SIGSYS),
]

/// The highest signal number of Linux.
private let signalMax: Int32 = 64

/// Parses a signal's name, in either case and with or without `SIG`, or its number.
///
/// - Throws: what is wrong with `text`. The two signals that the C library keeps for its threads are refused.
public func signalNumber(parsing text: String) throws(ConfigurationError) -> Int32 {
    if let number = decimal(text.utf8) {
        let realTime = realTimeSignals.contains(Int32(clamping: number))
        if (1...31).contains(number) || realTime { return Int32(number) }
    }
    var name = text.uppercased()
    if name.hasPrefix("SIG") { name.removeFirst(3) }
    if let known = signalNumbers.first(where: { $0.name == name }) { return known.number }
    if let number = realTimeSignal(named: name) { return number }
    throw ConfigurationError("\(quoted(text)) is not a signal: write a name like TERM, QUIT or USR2, or a number")
}

/// The name without `SIG`: `TERM`, `RTMIN+3`; the bare number if it has no name.
public func signalName(_ number: Int32) -> String {
    if let known = signalNumbers.first(where: { $0.number == number }) { return known.name }
    guard realTimeSignals.contains(number) else { return "\(number)" }
    let offset = number - realTimeSignals.lowerBound
    return offset == 0 ? "RTMIN" : "RTMIN+\(offset)"
}

/// For a sentence: `SIGTERM`, `SIGRTMIN+3`, `signal 77`.
func signalWord(_ number: Int32) -> String {
    let name = signalName(number)
    return name == "\(number)" ? "signal \(number)" : "SIG\(name)"
}

/// The C library decides which is the first, because it keeps some for itself.
private var realTimeSignals: ClosedRange<Int32> { __libc_current_sigrtmin()...signalMax }

/// `RTMIN`, `RTMIN+n`, `RTMAX`, `RTMAX-n`.
private func realTimeSignal(named name: String) -> Int32? {
    let signals = realTimeSignals
    switch name {
    case "RTMIN": return signals.lowerBound
    case "RTMAX": return signals.upperBound
    default: break
    }
    guard let offset = decimal(name.utf8.dropFirst(6)), offset <= UInt64(signals.count) else { return nil }
    let number: Int32
    if name.hasPrefix("RTMIN+") {
        number = signals.lowerBound + Int32(offset)
    } else if name.hasPrefix("RTMAX-") {
        number = signals.upperBound - Int32(offset)
    } else {
        return nil
    }
    return signals.contains(number) ? number : nil
}
