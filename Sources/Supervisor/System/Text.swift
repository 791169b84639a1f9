// Text as people write and read it: how it is shown in messages, and how it is parsed.

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

/// The value of one or more ASCII digits; nil for anything else and for what 64 bits do not hold.
func decimal(_ digits: some Sequence<UInt8>) -> UInt64? {
    var value: UInt64?
    for digit in digits {
        guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= digit else { return nil }
        let (product, overflow) = (value ?? 0).multipliedReportingOverflow(by: 10)
        let (sum, carry) = product.addingReportingOverflow(UInt64(digit - UInt8(ascii: "0")))
        if overflow || carry { return nil }
        value = sum
    }
    return value
}

/// `1 worker`, `3 workers`, `1 process`, `2 processes`.
public func counted(_ number: Int, _ noun: String) -> String {
    "\(number) \(noun)" + (number == 1 ? "" : noun.utf8.last == UInt8(ascii: "s") ? "es" : "s")
}
