// Whole numbers as people write them.

/// The whole decimal number that `text` is: digits, with `-` in front only if `range` has negative numbers.
///
/// - Throws: what is wrong, naming the range. Never overflows.
public func wholeNumber<Number: SignedInteger & FixedWidthInteger>(
    _ text: String, in range: ClosedRange<Number>, called what: String = "a whole number"
) throws(ConfigurationError) -> Number {
    let negative = range.lowerBound < 0 && text.utf8.first == UInt8(ascii: "-")
    if let magnitude = decimal(text.utf8.dropFirst(negative ? 1 : 0)), let value = Number(exactly: magnitude) {
        let signed = negative ? -value : value
        if range.contains(signed) { return signed }
    }
    throw ConfigurationError("\(quoted(text)) is not \(what) from \(range.lowerBound) to \(range.upperBound)")
}
