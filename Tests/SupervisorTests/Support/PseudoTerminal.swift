// A terminal for a program that looks whether it has one.
import Glibc

final class PseudoTerminal {
    private let master: Int32
    private let slave: Int32
    private let path: String
    private var hasHungUp = false
    private var text = ""

    // ioctl_tty(2): TIOCSPTLCK and TIOCGPTN, which are macros that Swift does not see.
    private static let setLock: UInt = 0x4004_5431
    private static let getNumber: UInt = 0x8004_5430

    init(columns: Int, rows: Int) throws {
        master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var unlocked: Int32 = 0
        var number: UInt32 = 0
        guard master >= 0, ioctl(master, Self.setLock, &unlocked) == 0, ioctl(master, Self.getNumber, &number) == 0
        else { throw DidNotHappen(description: "no pseudo terminal: \(String(cString: strerror(errno)))") }
        path = "/dev/pts/\(number)"
        slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC)
        guard slave >= 0 else { throw DidNotHappen(description: "no pseudo terminal: cannot open its other end") }
        try resize(columns: columns, rows: rows)
    }

    func resize(columns: Int, rows: Int) throws {
        var size = winsize(ws_row: UInt16(rows), ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
        guard ioctl(master, UInt(TIOCSWINSZ), &size) == 0 else { throw DidNotHappen(description: "no TIOCSWINSZ") }
    }

    /// Starts a program whose standard input, output and error this is.
    func start(_ words: [String], environment: [String]) throws -> ChildProcess {
        try ChildProcess(
            ["/bin/sh", "-c", "exec \"$@\" <&3 >&3 2>&3 3>&-", "sh"] + words, environment: environment,
            inheriting: [slave])
    }

    /// Before a program that leads a session: this becomes its controlling terminal and its standard input.
    var wrapper: [String] { ["/bin/sh", "-c", "exec \"$@\" 0<>\"$0\"", path] }

    /// Starts a program as the leader of this terminal's session, all of whose standard descriptors it is.
    func startSession(_ words: [String], environment: [String]) throws -> ChildProcess {
        try ChildProcess(
            wrapper + ["/bin/sh", "-c", "exec \"$@\" >&0 2>&0", "sh"] + words, environment: environment,
            leadsSession: true)
    }

    /// The window is closed.
    func hangUp() {
        if !hasHungUp { close(master) }
        hasHungUp = true
    }

    /// What a person at the keyboard sends.
    func type(_ keys: String) throws {
        let bytes = Array(keys.utf8)
        guard write(master, bytes, bytes.count) == bytes.count else {
            throw DidNotHappen(description: "cannot type: \(String(cString: strerror(errno)))")
        }
    }

    /// Reads on until `end` has come, and returns what came with it since the last time. Carriage returns of line ends
    /// are taken away.
    @discardableResult
    func read(until end: String) throws -> String {
        // What is drawn again and again is no better than silence.
        let patience = ContinuousClock.now + .milliseconds(ChildProcess.patienceMilliseconds)
        while true {
            if let range = text.firstRange(of: end) {
                defer { text = String(text[range.upperBound...]) }
                return String(text[..<range.upperBound])
            }
            var request = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
            guard ContinuousClock.now < patience, poll(&request, 1, ChildProcess.patienceMilliseconds) > 0 else {
                throw DidNotHappen(description: "no \(end.debugDescription) on the terminal: \(text.debugDescription)")
            }
            var chunk = [UInt8](repeating: 0, count: 65_536)
            let count = Glibc.read(master, &chunk, chunk.count)
            guard count > 0 else { throw DidNotHappen(description: "the terminal is closed: \(text.debugDescription)") }
            // One character for the two of a line end would hide the end that is looked for.
            let scalars = String(decoding: chunk[..<count], as: UTF8.self).unicodeScalars
            text = String(String.UnicodeScalarView(text.unicodeScalars + scalars)).replacing("\r\n", with: "\n")
        }
    }

    deinit {
        close(slave)
        hangUp()
    }
}
