// Durations as people write them: `250ms`, `30s`, `5m`, `1h30m`. A unit is required, so that nobody has to remember
// which unit a bare number has.
internal import Reloader

extension Duration {
    /// The longest duration that can be written: a year. A longer one would mean "never", and nanoseconds stay far from
    /// overflow.
    public static let configurableMax = Duration.seconds(365 * 86_400)

    /// Seconds with their fraction, as JSON has them.
    public var inSeconds: Double { Double(nanoseconds) / 1e9 }

    /// Units with their nanoseconds, largest first.
    private static let units: [(name: String, nanoseconds: UInt64)] = [
        ("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000),
        ("ms", 1_000_000), ("us", 1_000),
    ]

    /// Parses one or more numbers with a unit each (`us`, `ms`, `s`, `m`, `h`, `d`), which add up; or a bare `0`.
    ///
    /// - Throws: what is wrong with `text`, also if it is more than `configurableMax`.
    public init(parsing text: String) throws(ConfigurationError) {
        let malformed = ConfigurationError("\(quoted(text)) is not a duration: write it like 250ms, 30s, 5m or 1h30m")
        let tooLong = ConfigurationError("\(quoted(text)) is too long: a duration is at most 365d")
        let maximum = UInt64(Duration.configurableMax.nanoseconds)
        var total: UInt64 = 0
        var rest = text.utf8[...]
        if text.utf8.elementsEqual("0".utf8) { rest = rest.dropFirst() } else if rest.isEmpty { throw malformed }
        while !rest.isEmpty {
            let digits = rest.prefix { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
            rest = rest.dropFirst(digits.count)
            let letters = rest.prefix { UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 }
            rest = rest.dropFirst(letters.count)
            guard !digits.isEmpty else { throw malformed }
            if letters.isEmpty && rest.isEmpty && digits.count == text.utf8.count {
                throw ConfigurationError(
                    "\(quoted(text)) has no unit: write \(printable(text))s for seconds, or ms, m, h, d")
            }
            guard let unit = Duration.units.first(where: { $0.name.utf8.elementsEqual(letters) }) else {
                throw malformed
            }
            guard let count = decimal(digits), count <= maximum / unit.nanoseconds else { throw tooLong }
            total += count * unit.nanoseconds
            if total > maximum { throw tooLong }
        }
        self = .nanoseconds(Int64(total))
    }

    /// The duration as `init(parsing:)` reads it: `1m30s`, `250ms`, `0s`. Rounded down to microseconds. A negative
    /// duration has a `-` in front.
    public var text: String {
        var rest = nanoseconds.magnitude
        var result = ""
        for unit in Duration.units where rest >= unit.nanoseconds {
            result += "\(rest / unit.nanoseconds)\(unit.name)"
            rest %= unit.nanoseconds
        }
        if result.isEmpty { return "0s" }
        return nanoseconds < 0 ? "-" + result : result
    }
}
