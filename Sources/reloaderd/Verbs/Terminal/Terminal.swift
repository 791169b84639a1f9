// The terminal: its size and its commands, text and numbers made ready for it, and Ctrl-C.
import Glibc
import Supervisor

/// The terminal that standard output is.
struct Terminal {
    /// nil if standard output is a file or a pipe, or a terminal that cannot move its cursor.
    static var output: Terminal? {
        guard isatty(STDOUT_FILENO) == 1 else { return nil }
        if let kind = getenv("TERM"), strcmp(kind, "dumb") == 0 { return nil }
        return Terminal()
    }

    /// The size at this moment.
    var size: (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    // ECMA-48, which every terminal in use understands.
    static let eraseToEndOfLine = "\u{1B}[K"
    static let eraseToEndOfScreen = "\u{1B}[J"
    static let eraseScreen = "\u{1B}[H\u{1B}[2J"
    static let home = "\u{1B}[H"
}

// MARK: text

/// `text`, which workers or other processes wrote, in one line and without anything that a terminal takes for a
/// command.
func terminalText(_ text: String) -> String {
    // The longest fields that the daemon sends are paths.
    let scalarsMax = 4096
    // Tabs are common in stack traces, and only move the cursor.
    let spaced = text.split(separator: "\t", omittingEmptySubsequences: false).joined(separator: "    ")
    return printable(spaced, scalarsMax: scalarsMax)
}

/// `line` cut to `width` characters.
func fitted(_ line: String, width: Int) -> String {
    line.count <= width ? line : String(line.prefix(max(0, width)))
}

/// `3s`, `12m05s`, `3h12m`, `5d04h`: the two largest units.
func durationText(_ seconds: Double) -> String {
    let whole = Int(min(max(0, seconds), 1e15))
    switch whole {
    case ..<60: return "\(whole)s"
    case ..<3_600: return "\(whole / 60)m\(twoDigits(whole % 60))s"
    case ..<86_400: return "\(whole / 3_600)h\(twoDigits(whole / 60 % 60))m"
    default: return "\(whole / 86_400)d\(twoDigits(whole / 3_600 % 24))h"
    }
}

/// `1.23s`; a minute or more as `durationText`.
func secondsText(_ seconds: Double) -> String {
    if !(0..<60 ~= seconds) { return durationText(seconds) }
    let hundredths = Int((seconds * 100).rounded())
    return "\(hundredths / 100).\(twoDigits(hundredths % 100))s"
}

/// `0.4%`, `12.3%`, `397%`.
func percentText(_ percent: Double) -> String {
    let tenths = Int((min(max(0, percent), 1e9) * 10).rounded())
    return tenths < 1000 ? "\(tenths / 10).\(tenths % 10)%" : "\((tenths + 5) / 10)%"
}

/// `512B`, `12.3M`.
func memoryText(_ bytes: Int) -> String {
    var size = Double(max(0, bytes))
    if size < 1024 { return "\(max(0, bytes))B" }
    var letter = ""
    for next in ["K", "M", "G", "T"] where size >= 1024 {
        size /= 1024
        letter = next
    }
    let tenths = Int((size * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)\(letter)"
}

/// `2026-11-24T21:34:05.123Z` in a shorter form: `2026-11-24 21:34:05Z`.
func timeText(_ timestamp: String) -> String {
    let text = terminalText(timestamp)
    guard text.utf8.count == "2026-11-24T21:34:05.123Z".utf8.count, text.utf8.last == UInt8(ascii: "Z") else {
        return text
    }
    return text.prefix(10) + " " + text.dropFirst(11).prefix(8) + "Z"
}

private func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

// MARK: Ctrl-C

/// Ctrl-C while a verb waits for the daemon: the command ends, and says that its task goes on in the daemon.
enum Interruption {
    /// What the handler writes: a signal handler must not allocate memory.
    nonisolated(unsafe) private static var text = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 0)

    /// From now on SIGINT and SIGTERM print `message` on standard error before they end the command as usual.
    static func say(_ message: String) {
        // On a line below the bar and the ^C that the terminal has echoed into it.
        let line = Array(((Terminal.output == nil ? "" : "\n") + "reloaderd: \(message)\n").utf8)
        text = .allocate(capacity: line.count)
        _ = text.initialize(from: line)
        for number in [SIGINT, SIGTERM] {
            // A signal that was ignored when the command started stays ignored.
            var before = sigaction()
            sigaction(number, nil, &before)
            if unsafeBitCast(before.__sigaction_handler.sa_handler, to: Int.self) == 1 { continue }  // SIG_IGN
            signal(number, handler)
        }
    }

    private static let handler: @convention(c) (Int32) -> Void = { number in
        _ = write(STDERR_FILENO, Interruption.text.baseAddress, Interruption.text.count)
        signal(number, SIG_DFL)
        raise(number)
    }
}

extension Interruption {
    /// What happens to the task of `call`, and how to watch it or undo it.
    static func explain(_ call: Call) {
        let name = call.verb.name
        let back = name == "reload" ? ", and \(command("rollback", call)) undoes it" : ""
        let watch = name == "upgrade" ? "events" : "status --watch"
        say("the \(name) continues: \(command(watch, call)) shows it\(back)")
    }

    private static func command(_ verb: String, _ call: Call) -> String {
        let name = call.daemon.name.map { " --name \(printable($0))" } ?? ""
        let path = call.daemon.path.map { " --control \(printable($0))" } ?? ""
        return "'reloaderd \(verb)\(name)\(path)'"
    }
}
