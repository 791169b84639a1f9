// Text that a person wrote: the error for wrong text, how text is shown in messages, and how it is taken apart.

/// An option, a line of a file or a name is wrong. At a reload the reload is refused, and nothing changes.
public struct ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
    /// One line that tells a person what to do, without the program's name in front.
    public var description: String

    public init(_ description: String) { self.description = description }

    /// The same error with its place in front: `--workers: …`, `/etc/app.conf:3: …`.
    public func at(_ place: String) -> ConfigurationError { ConfigurationError("\(place): \(description)") }
}

/// Text that a person wrote, for use in a message: in quotes, without line ends and other characters that would disturb
/// a terminal or a log, and cut if it is long.
public func quoted(_ text: some StringProtocol) -> String { "'\(printable(text))'" }

/// As `quoted`, without the quotes: for paths at the start of a message.
///
/// - Parameter scalarsMax: the length at which the text is cut. The default is enough for any path that people type,
///   and short enough for a line in a log.
public func printable(_ text: some StringProtocol, scalarsMax: Int = 200) -> String {
    var result = ""
    var scalars = text.unicodeScalars.makeIterator()
    for _ in 0..<scalarsMax {
        guard let scalar = scalars.next() else { return result }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
            result += scalar.escaped(asASCII: true)
        default: result.unicodeScalars.append(scalar)
        }
    }
    return scalars.next() == nil ? result : result + "…"
}

/// `text` before and after its first `separator`, which is ASCII; nil if there is none.
///
/// Compares bytes and not `Character`s, because a combining mark after the separator would hide it.
public func cut(_ text: String, at separator: UInt8) -> (before: String, after: String)? {
    guard let index = text.utf8.firstIndex(of: separator) else { return nil }
    return (String(text[..<index]), String(text[text.utf8.index(after: index)...]))
}

/// Whether `byte` separates words within a line. The end of a line from other systems, `\r`, counts as well.
public func isBlank(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
}

/// `text` without the blanks at both ends.
public func trimmed<Bytes: BidirectionalCollection<UInt8>>(_ text: Bytes) -> Bytes.SubSequence {
    let start = text.drop(while: isBlank)
    guard let last = start.lastIndex(where: { !isBlank($0) }) else { return start.prefix(0) }
    return start[...last]
}
