// From the bytes of a row to a Codable value. Whatever the bytes are, the outcome is a value or an error.

enum StateDecoder {
    /// Fields that the type does not know are left out: another version has written them.
    static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws(StateError) -> Value {
        let value = try StateValue(bytes)
        do { return try decodedValue(type, value, []) } catch let error as StateError { throw error } catch {
            throw .malformed(words(of: error, type))
        }
    }

    private static func words(of error: any Error, _ type: Any.Type) -> String {
        guard let error = error as? DecodingError else { return "\(type): \(error)" }
        let context: DecodingError.Context
        var missing: String?
        switch error {
        case .keyNotFound(let key, let some): (missing, context) = (key.stringValue, some)
        case .typeMismatch(_, let some), .valueNotFound(_, let some), .dataCorrupted(let some): context = some
        @unknown default: return "\(type)"
        }
        let path = (context.codingPath.map { $0.stringValue } + [missing].compactMap { $0 }).joined(separator: ".")
        return "\(type) has no good \(path.isEmpty ? "value" : printable(path))"
    }
}

private func decodedValue<Value: Decodable>(
    _ type: Value.Type, _ value: StateValue, _ path: [any CodingKey]
) throws -> Value {
    if type == [UInt8].self, case .bytes(let bytes) = value, let bytes = bytes as? Value { return bytes }
    return try Value(from: Reading(value: value, codingPath: path))
}

/// One value of the tree, seen as a Decoder and as a single value.
private struct Reading: Decoder, SingleValueDecodingContainer {
    let value: StateValue
    let codingPath: [any CodingKey]
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    private func wrong(_ type: Any.Type) -> DecodingError {
        .typeMismatch(type, DecodingError.Context(codingPath: codingPath, debugDescription: ""))
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        guard case .fields(let fields) = value else { throw wrong(type) }
        let values = Dictionary(fields.map { ($0.name, $0.value) }) { first, _ in first }
        return KeyedDecodingContainer(ReadFields(values: values, codingPath: codingPath))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        guard case .list(let values) = value else { throw wrong([StateValue].self) }
        return ReadList(values: values, codingPath: codingPath)
    }

    func singleValueContainer() -> any SingleValueDecodingContainer { self }

    func decodeNil() -> Bool { value == .nothing }

    func decode(_ type: Bool.Type) throws -> Bool {
        guard case .bool(let value) = value else { throw wrong(type) }
        return value
    }

    func decode(_ type: String.Type) throws -> String {
        guard case .text(let value) = value else { throw wrong(type) }
        return value
    }

    func decode(_ type: Double.Type) throws -> Double {
        guard case .double(let value) = value else { throw wrong(type) }
        return value
    }

    func decode(_ type: Float.Type) throws -> Float { Float(try decode(Double.self)) }
    func decode(_ type: Int.Type) throws -> Int { try number(type) }
    func decode(_ type: Int8.Type) throws -> Int8 { try number(type) }
    func decode(_ type: Int16.Type) throws -> Int16 { try number(type) }
    func decode(_ type: Int32.Type) throws -> Int32 { try number(type) }
    func decode(_ type: Int64.Type) throws -> Int64 { try number(type) }
    func decode(_ type: UInt.Type) throws -> UInt { try number(type) }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try number(type) }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try number(type) }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try number(type) }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try number(type) }
    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try decodedValue(type, value, codingPath) }

    private func number<Number: FixedWidthInteger>(_ type: Number.Type) throws -> Number {
        let number: Number? =
            switch value {
            case .signed(let value): Number(exactly: value)
            case .unsigned(let value): Number(exactly: value)
            default: nil
            }
        guard let number else { throw wrong(type) }
        return number
    }
}

private struct ReadFields<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let values: [String: StateValue]
    let codingPath: [any CodingKey]

    var allKeys: [Key] { values.keys.compactMap { Key(stringValue: $0) } }

    func contains(_ key: Key) -> Bool { values[key.stringValue] != nil }

    private func reading(_ key: Key) throws -> Reading {
        guard let value = values[key.stringValue] else {
            throw DecodingError.keyNotFound(key, DecodingError.Context(codingPath: codingPath, debugDescription: ""))
        }
        return Reading(value: value, codingPath: codingPath + [key])
    }

    func decodeNil(forKey key: Key) throws -> Bool { try reading(key).decodeNil() }

    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
        try reading(key).decode(type)
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<Nested> { try reading(key).container(keyedBy: type) }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try reading(key).unkeyedContainer()
    }

    func superDecoder() throws -> any Decoder {
        Reading(value: values["super"] ?? .nothing, codingPath: codingPath)
    }

    func superDecoder(forKey key: Key) throws -> any Decoder { try reading(key) }
}

private struct ReadList: UnkeyedDecodingContainer {
    let values: [StateValue]
    let codingPath: [any CodingKey]
    private(set) var currentIndex = 0

    init(values: [StateValue], codingPath: [any CodingKey]) {
        self.values = values
        self.codingPath = codingPath
    }

    var count: Int? { values.count }
    var isAtEnd: Bool { currentIndex >= values.count }

    private mutating func next() throws -> Reading {
        guard !isAtEnd else {
            throw DecodingError.valueNotFound(
                StateValue.self, DecodingError.Context(codingPath: codingPath, debugDescription: ""))
        }
        defer { currentIndex += 1 }
        return Reading(value: values[currentIndex], codingPath: codingPath)
    }

    mutating func decodeNil() throws -> Bool {
        guard !isAtEnd, values[currentIndex] == .nothing else { return false }
        currentIndex += 1
        return true
    }

    mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try next().decode(type) }

    mutating func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type
    ) throws -> KeyedDecodingContainer<Nested> { try next().container(keyedBy: type) }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { try next().unkeyedContainer() }

    mutating func superDecoder() throws -> any Decoder { try next() }
}
