// Ctrl-C while a verb waits for the daemon: the command ends, what it asked for goes on, and that is said.
import Glibc
import Supervisor

enum Interruption {
    /// What the handler writes; a handler may neither allocate nor wait for others who do.
    nonisolated(unsafe) private static var text = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 0)

    /// From now on, SIGINT and SIGTERM end the command as ever, but not without these words on standard error.
    static func say(_ message: String) {
        // Below the bar, and what the terminal has echoed into it.
        let line = Array(((Terminal.output == nil ? "" : "\n") + "reloaderd: \(message)\n").utf8)
        text = .allocate(capacity: line.count)
        _ = text.initialize(from: line)
        for number in [SIGINT, SIGTERM] {
            // Whoever ignores it for us wants us to ignore it.
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
    /// What becomes of the thing that `call` has asked for, and how to look at it or take it back.
    static func explain(_ call: Call) {
        let name = call.verb.name
        let back = name == "reload" ? ", and \(command("rollback", call)) takes it back" : ""
        say("the \(name) goes on: \(command("status --watch", call)) shows it\(back)")
    }

    private static func command(_ verb: String, _ call: Call) -> String {
        let name = call.daemon.name.map { " --name \(printable($0))" } ?? ""
        let path = call.daemon.path.map { " --control \(printable($0))" } ?? ""
        return "'reloaderd \(verb)\(name)\(path)'"
    }
}
