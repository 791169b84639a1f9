// The terminal that standard output may be.
import Glibc

struct Terminal {
    /// nil where standard output is a file or a pipe, or a terminal that cannot move its cursor.
    static var output: Terminal? {
        guard isatty(STDOUT_FILENO) == 1 else { return nil }
        if let kind = getenv("TERM"), strcmp(kind, "dumb") == 0 { return nil }
        return Terminal()
    }

    /// As it is now.
    var size: (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    // ECMA-48, which every terminal of today understands.
    static let eraseToEndOfLine = "\u{1B}[K"
    static let eraseToEndOfScreen = "\u{1B}[J"
    static let eraseScreen = "\u{1B}[H\u{1B}[2J"
    static let home = "\u{1B}[H"
}
