// Files of environment variables, as systemd reads them (EnvironmentFile= in systemd.exec(5)), so that one file serves
// both. In short:
//
//     # a comment, also with ;            blank lines are skipped, blanks around names and values too
//     NAME=value with spaces \            a backslash at the end continues the line, elsewhere it quotes one character
//     NAME="two\nlines"                   in "…" a backslash quotes only " \ ` $ and the end of a line; lines may
//     follow NAME='as it stands'                 in '…' nothing is special; lines may follow
//
// Nothing is expanded: `$HOME` stays as it is. systemd skips lines that it does not understand; here a line without
// `=`, a wrong name, a variable that reloaderd sets itself, and a quote without its end are errors with their line.

/// Reads `NAME=VALUE` files.
public enum EnvironmentFile {
    /// The largest file that is read: far more than execve(2) takes for a whole environment on a default stack.
    public static let bytesMax = 4 << 20

    /// The variables of the file at `path`, in its order. If a name comes twice, the later value wins.
    ///
    /// - Throws: `PATH:LINE: PROBLEM`, or why the file cannot be read.
    public static func read(_ path: String) throws(ConfigurationError) -> [EnvironmentChange] {
        let contents: [UInt8]
        do throws(FileReadError) { contents = try fileContents(path, bytesMax: bytesMax) } catch {
            throw ConfigurationError(error.description)
        }
        return try parse(contents, path: path)
    }

    /// The variables in `contents`; `path` is for messages only.
    public static func parse(_ contents: [UInt8], path: String) throws(ConfigurationError) -> [EnvironmentChange] {
        var scanner = Scanner(bytes: contents)
        var result: [EnvironmentChange] = []
        do throws(ConfigurationError) {
            while let (name, value) = try scanner.assignment() {
                let change = try EnvironmentChange(checkingName: text(name), value: text(value))
                result.append(change)
            }
        } catch { throw error.at("\(printable(path)):\(scanner.errorLine)") }
        return result
    }

    private static func text(_ bytes: [UInt8]) throws(ConfigurationError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw ConfigurationError("not UTF-8 text") }
        return text
    }
}

/// Reads the bytes in one pass, one assignment at a time.
private struct Scanner {
    private let bytes: [UInt8]
    private var position = 0
    private var line = 1
    /// The line on which the current assignment or quote began.
    private(set) var errorLine = 1

    init(bytes: [UInt8]) { self.bytes = bytes }

    /// The next name and value; nil at the end.
    mutating func assignment() throws(ConfigurationError) -> (name: [UInt8], value: [UInt8])? {
        while let byte = peek {
            if byte == newline || isBlank(byte) {
                advance()
            } else if byte == UInt8(ascii: "#") || byte == UInt8(ascii: ";") {
                skipComment()
            } else {
                errorLine = line
                return (try name(), try value())
            }
        }
        return nil
    }

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func advance() {
        if bytes[position] == newline { line += 1 }
        position += 1
    }

    private mutating func next() -> UInt8? {
        guard let byte = peek else { return nil }
        advance()
        return byte
    }

    /// A comment goes on after a backslash at the end of its line, as in systemd.
    private mutating func skipComment() {
        while let byte = next(), byte != newline {
            if byte == UInt8(ascii: "\\") { _ = next() }
        }
    }

    private mutating func name() throws(ConfigurationError) -> [UInt8] {
        let start = position
        while let byte = peek, byte != UInt8(ascii: "="), byte != newline { advance() }
        let name = Array(trimmed(bytes[start..<position]))
        guard peek == UInt8(ascii: "=") else {
            throw ConfigurationError("\(quoted(String(decoding: name, as: UTF8.self))) has no '=': write NAME=VALUE")
        }
        advance()
        if name.starts(with: "export ".utf8) { throw ConfigurationError("write NAME=VALUE without 'export'") }
        return name
    }

    /// The value up to the end of the line. Quotes count only before the first plain character.
    private mutating func value() throws(ConfigurationError) -> [UInt8] {
        var value: [UInt8] = []
        // Bytes before this index were quoted, and stay when trailing blanks are dropped.
        var kept = 0
        var isPlain = false
        while let byte = next(), byte != newline {
            switch byte {
            case UInt8(ascii: "'") where !isPlain:
                try singleQuoted(into: &value)
                kept = value.count
            case UInt8(ascii: "\"") where !isPlain:
                try doubleQuoted(into: &value)
                kept = value.count
            case UInt8(ascii: "\\"):
                isPlain = true
                guard let quotedByte = next(), quotedByte != newline else { continue }
                value.append(quotedByte)
                kept = value.count
            case _ where isBlank(byte) && !isPlain: continue
            default:
                isPlain = true
                value.append(byte)
            }
        }
        while value.count > kept, let last = value.last, isBlank(last) { value.removeLast() }
        return value
    }

    private mutating func singleQuoted(into value: inout [UInt8]) throws(ConfigurationError) {
        let opened = line
        while let byte = next() {
            if byte == UInt8(ascii: "'") { return }
            value.append(byte)
        }
        errorLine = opened
        throw ConfigurationError("a ' is not closed")
    }

    private mutating func doubleQuoted(into value: inout [UInt8]) throws(ConfigurationError) {
        let opened = line
        while let byte = next() {
            if byte == UInt8(ascii: "\"") { return }
            guard byte == UInt8(ascii: "\\") else {
                value.append(byte)
                continue
            }
            guard let quotedByte = next() else { break }
            if quotedByte == newline { continue }
            if !"\"\\`$".utf8.contains(quotedByte) { value.append(byte) }
            value.append(quotedByte)
        }
        errorLine = opened
        throw ConfigurationError("a \" is not closed")
    }
}

private let newline = UInt8(ascii: "\n")
