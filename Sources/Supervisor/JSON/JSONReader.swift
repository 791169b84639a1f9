// Reads JSON text from clients that are not trusted. The work is bounded by the length of the text and by a depth.
// Malformed text is an error and never a trap.

/// The text is not JSON.
public struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The number of bytes before the error.
    public var offset: Int
    public var reason: String

    public var description: String { "not JSON at byte \(offset): \(reason)" }
}

struct JSONReader {
    /// The deepest nesting that is accepted. Recursion that a client controls needs a bound; no request nests this
    /// deep.
    static let depthMax = 32

    private let bytes: ArraySlice<UInt8>
    private var next: Int

    private init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        next = bytes.startIndex
    }

    /// Reads the only value in `bytes`, which may have blanks around it.
    static func read(_ bytes: ArraySlice<UInt8>) throws(JSONError) -> JSON {
        var reader = JSONReader(bytes)
        let value = try reader.value(depth: 0)
        reader.skipBlanks()
        if reader.next < bytes.endIndex { throw reader.error("unexpected text after the value") }
        return value
    }

    // MARK: values

    private mutating func value(depth: Int) throws(JSONError) -> JSON {
        if depth > Self.depthMax { throw error("nested deeper than \(Self.depthMax)") }
        skipBlanks()
        switch peek {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case nil: throw error("the text ends too soon")
        default: return try number()
        }
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSON {
        next += 1
        var members: [JSON.Member] = []
        var names: Set<String> = []
        if takes("}") { return .object(members) }
        while true {
            skipBlanks()
            guard peek == UInt8(ascii: "\"") else { throw error("a member needs a name in quotes") }
            let name = try string()
            // If a name comes twice, some readers take the first member and some the last.
            guard names.insert(name).inserted else { throw error("an object has two members of the same name") }
            guard takes(":") else { throw error("a colon is missing") }
            members.append(JSON.Member(name, try value(depth: depth + 1)))
            if takes("}") { return .object(members) }
            guard takes(",") else { throw error("a comma or a brace is missing") }
        }
    }

    private mutating func array(depth: Int) throws(JSONError) -> JSON {
        next += 1
        var values: [JSON] = []
        if takes("]") { return .array(values) }
        while true {
            values.append(try value(depth: depth + 1))
            if takes("]") { return .array(values) }
            guard takes(",") else { throw error("a comma or a bracket is missing") }
        }
    }

    private mutating func word(_ word: StaticString, _ value: JSON) throws(JSONError) -> JSON {
        let matches = word.withUTF8Buffer { bytes[next...].starts(with: $0) }
        guard matches else { throw error("an unknown word") }
        next += word.utf8CodeUnitCount
        return value
    }

    private mutating func number() throws(JSONError) -> JSON {
        let start = next
        while let byte = peek, Self.isOfNumber(byte) { next += 1 }
        let digits = bytes[start..<next]
        // Swift accepts more than JSON: a plus, leading zeros, a bare point.
        let unsigned = digits.first == UInt8(ascii: "-") ? digits.dropFirst() : digits
        let whole = unsigned.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard !whole.isEmpty, whole.count == 1 || whole.first != UInt8(ascii: "0"),
            let last = digits.last, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(last)
        else {
            next = start
            throw error("a value is missing")
        }
        let text = String(decoding: digits, as: UTF8.self)
        if let integer = Int(text) { return .integer(integer) }
        guard let number = Double(text), number.isFinite else { throw error("the number is too large") }
        return .number(number)
    }

    private static func isOfNumber(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."),
            UInt8(ascii: "e"), UInt8(ascii: "E"):
            true
        default: false
        }
    }

    // MARK: strings

    private mutating func string() throws(JSONError) -> String {
        next += 1
        var text: [UInt8] = []
        while true {
            guard let byte = peek else { throw error("a string does not end") }
            next += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else { throw error("a string is not UTF-8") }
                return string
            case UInt8(ascii: "\\"): try escape(&text)
            case 0..<0x20: throw error("a control character in a string")
            default: text.append(byte)
            }
        }
    }

    private mutating func escape(_ text: inout [UInt8]) throws(JSONError) {
        guard let byte = peek else { throw error("a string does not end") }
        next += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            guard let scalar = Unicode.Scalar(try codePoint()) else { throw error("half of a surrogate pair") }
            text += UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
        default: throw error("an unknown escape")
        }
    }

    /// A code point: one code unit, or two surrogates.
    private mutating func codePoint() throws(JSONError) -> UInt32 {
        let high = try codeUnit()
        guard (0xD800..<0xDC00).contains(high) else { return high }
        guard bytes[next...].starts(with: "\\u".utf8) else { throw error("half of a surrogate pair") }
        next += 2
        let low = try codeUnit()
        guard (0xDC00..<0xE000).contains(low) else { throw error("half of a surrogate pair") }
        return 0x10000 + (high - 0xD800) << 10 + (low - 0xDC00)
    }

    private mutating func codeUnit() throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw error("four hexadecimal digits are missing")
            }
            value = value << 4 | UInt32(digit)
            next += 1
        }
        return value
    }

    // MARK: bytes

    private var peek: UInt8? { next < bytes.endIndex ? bytes[next] : nil }

    private mutating func skipBlanks() {
        while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { next += 1 }
    }

    private mutating func takes(_ scalar: Unicode.Scalar) -> Bool {
        skipBlanks()
        guard peek == UInt8(ascii: scalar) else { return false }
        next += 1
        return true
    }

    private func error(_ reason: String) -> JSONError { JSONError(offset: next - bytes.startIndex, reason: reason) }
}

extension JSON {
    /// Reads one value.
    ///
    /// - Throws: if `bytes` are not JSON, are nested deeper than 32, or name a member twice.
    public init(parsing bytes: ArraySlice<UInt8>) throws(JSONError) { self = try JSONReader.read(bytes) }
}
