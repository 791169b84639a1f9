// A status in the form that a message allows: one line, not too long.

enum StatusLine {
    /// Together with its key it fits into one atomic write to a pipe (PIPE_BUF, 4,096 bytes).
    static let bytesMax = 1024

    static func make(from text: String) -> String {
        var line = ""
        var bytes = 0
        for scalar in text.unicodeScalars {
            let isControl = scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
            let kept: Unicode.Scalar = isControl ? " " : scalar
            bytes += UTF8.width(kept)
            if bytes > bytesMax { break }
            line.unicodeScalars.append(kept)
        }
        return line
    }
}
