// Sizes as people write them: `512`, `64K`, `64M`, `2G`. The letters stand for powers of 1024.

private let sizeUnits: [(letter: UInt8, shift: UInt64)] = [
    (UInt8(ascii: "T"), 40), (UInt8(ascii: "G"), 30), (UInt8(ascii: "M"), 20), (UInt8(ascii: "K"), 10),
]

/// Parses a number of bytes, which one of the letters K, M, G, T may follow.
///
/// - Throws: what is wrong with `text`, also if it is not below 2^63, the kernel's own bound on file and memory
///   sizes.
public func byteCount(parsing text: String) throws(ConfigurationError) -> UInt64 {
    let unit = text.utf8.last.flatMap { last in sizeUnits.first { $0.letter == last } }
    let digits = text.utf8.dropLast(unit == nil ? 0 : 1)
    guard !digits.isEmpty, digits.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }) else {
        throw ConfigurationError("\(quoted(text)) is not a size: write bytes, or a number with K, M, G or T, like 64M")
    }
    guard let count = decimal(digits), count <= UInt64(Int64.max) >> (unit?.shift ?? 0) else {
        throw ConfigurationError("\(quoted(text)) is too large: a size is below 8388608T")
    }
    return count << (unit?.shift ?? 0)
}

/// The size as `byteCount(parsing:)` reads it, with the largest letter that keeps the exact value.
public func byteCountText(_ bytes: UInt64) -> String {
    for unit in sizeUnits where bytes != 0 && bytes & ((1 << unit.shift) - 1) == 0 {
        return "\(bytes >> unit.shift)\(Character(Unicode.Scalar(unit.letter)))"
    }
    return "\(bytes)"
}
