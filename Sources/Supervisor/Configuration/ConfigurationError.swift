// What is wrong with something that a person wrote, and how such text is shown.

/// What is wrong with an option, a line of a file or a name. At a reload it refuses the reload; all goes on as before.
public struct ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
    /// One line that a person can act on, without the program's name in front.
    public var description: String

    public init(_ description: String) { self.description = description }

    /// The same with the place in front: `--workers: …`, `/etc/app.conf:3: …`.
    public func at(_ place: String) -> ConfigurationError { ConfigurationError("\(place): \(description)") }
}

/// Text that a person wrote, for use in a message: in quotes, without line ends or other characters that would
/// disturb a terminal or a log, and cut when it is long.
public func quoted(_ text: some StringProtocol) -> String { "'\(printable(text))'" }

/// As `quoted`, without the quotes: for paths at the start of a message.
///
/// - Parameter scalarsMax: where it is cut; by default long enough for any path that people type, short enough for a
///   line in a log.
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

/// `text` before and after its first `separator`, which is ASCII; nil when there is none.
///
/// By bytes, not by `Character`: a combining mark after the separator must not hide it.
public func cut(_ text: String, at separator: UInt8) -> (before: String, after: String)? {
    guard let index = text.utf8.firstIndex(of: separator) else { return nil }
    return (String(text[..<index]), String(text[text.utf8.index(after: index)...]))
}
