// JSON values (RFC 8259) for the control protocol: small, bounded, and without a library of megabytes.
internal import Reloader

/// A JSON value. Whole numbers that fit into an `Int` are integers, all others are numbers. The members of an object
/// keep their order.
public enum JSON: Equatable, Sendable {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([Member])

    /// One member of an object.
    public struct Member: Equatable, Sendable {
        public var name: String
        public var value: JSON

        public init(_ name: String, _ value: JSON) {
            self.name = name
            self.value = value
        }
    }

    /// The member of this name; nil if this is not an object or has no such member.
    public subscript(name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    /// The text; nil if this is not a string.
    public var text: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    /// The whole number; nil if this is not a whole number.
    public var whole: Int? {
        guard case .integer(let number) = self else { return nil }
        return number
    }

    /// The number, whole or not; nil if this is not a number.
    public var decimal: Double? {
        switch self {
        case .integer(let number): Double(number)
        case .number(let number): number
        case .null, .bool, .string, .array, .object: nil
        }
    }

    /// The answer of the control protocol to a request that was understood.
    static func result(_ members: [Member] = []) -> JSON {
        .object([Member("type", .word(MessageKind.result)), Member("ok", true)] + members)
    }

    /// The value as JSON; null if there is no value.
    static func optional<Value>(_ value: Value?, _ body: (Value) -> JSON) -> JSON { value.map(body) ?? .null }

    /// The duration in seconds, to the millisecond.
    static func seconds(_ duration: Duration) -> JSON {
        .number(Double(max(0, duration.nanoseconds) / 1_000_000) / 1000)
    }
}

/// As JSON text.
extension JSON: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode([UInt8].self)
        do throws(JSONError) { self = try JSON(parsing: text[...]) } catch {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "\(error)")
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(line)
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral {
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int) { self = .integer(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
}

extension JSON: ExpressibleByDictionaryLiteral {
    public init(dictionaryLiteral members: (String, JSON)...) { self = .object(members.map { Member($0, $1) }) }
}
