// From a Codable value to the bytes of a row.

enum StateEncoder {
    /// - Throws: if the value itself refuses to be encoded.
    static func encode(_ value: some Encodable) throws(StateError) -> [UInt8] {
        do { return try encodedValue(value, []).written } catch let error as StateError { throw error } catch {
            throw StateError("the state cannot be written: \(error)")
        }
    }
}

private func encodedValue(_ value: some Encodable, _ path: [any CodingKey]) throws -> StateValue {
    // One block, instead of a value for each byte. (An empty list of anything could be cast.)
    if type(of: value) == [UInt8].self, let bytes = value as? [UInt8] { return .bytes(bytes) }
    let node = Node(path)
    try value.encode(to: node)
    return node.value
}

/// A value under construction, and each of the views that Encodable wants of it.
private final class Node: Encoder {
    let codingPath: [any CodingKey]
    let userInfo: [CodingUserInfoKey: Any] = [:]

    private enum Content {
        case single(StateValue)
        case list([Part])
        case fields([(name: String, part: Part)])
    }

    enum Part {
        case value(StateValue)
        case node(Node)

        var value: StateValue {
            switch self {
            case .value(let value): value
            case .node(let node): node.value
            }
        }
    }

    private var content: Content?

    init(_ path: [any CodingKey]) { codingPath = path }

    var value: StateValue {
        switch content {
        case .single(let value): value
        case .list(let parts): .list(parts.map { $0.value })
        case .fields(let parts): .fields(parts.map { StateValue.Field(name: $0.name, value: $0.part.value) })
        // An enum's case without associated values, or a type without fields.
        case nil: .fields([])
        }
    }

    var count: Int { if case .list(let parts) = content { parts.count } else { 0 } }

    func set(_ value: StateValue) { content = .single(value) }

    func append(_ part: Part) {
        var parts: [Part] = []
        if case .list(let some) = content { parts = some }
        content = nil
        parts.append(part)
        content = .list(parts)
    }

    func add(_ part: Part, _ name: String) {
        var parts: [(name: String, part: Part)] = []
        if case .fields(let some) = content { parts = some }
        content = nil
        parts.append((name, part))
        content = .fields(parts)
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        if content == nil { content = .fields([]) }
        return KeyedEncodingContainer(Fields(node: self))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        if content == nil { content = .list([]) }
        return List(node: self)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { Single(node: self) }
}

private struct Fields<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let node: Node
    var codingPath: [any CodingKey] { node.codingPath }

    func encodeNil(forKey key: Key) { node.add(.value(.nothing), key.stringValue) }

    func encode(_ value: some Encodable, forKey key: Key) throws {
        node.add(.value(try encodedValue(value, codingPath + [key])), key.stringValue)
    }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type, forKey key: Key
    ) -> KeyedEncodingContainer<Nested> { nested(key.stringValue, key).container(keyedBy: type) }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
        nested(key.stringValue, key).unkeyedContainer()
    }

    func superEncoder() -> any Encoder { nested("super", nil) }

    func superEncoder(forKey key: Key) -> any Encoder { nested(key.stringValue, key) }

    private func nested(_ name: String, _ key: Key?) -> Node {
        let nested = Node(codingPath + (key.map { [$0] } ?? []))
        node.add(.node(nested), name)
        return nested
    }
}

private struct List: UnkeyedEncodingContainer {
    let node: Node
    var codingPath: [any CodingKey] { node.codingPath }
    var count: Int { node.count }

    func encodeNil() { node.append(.value(.nothing)) }

    func encode(_ value: some Encodable) throws { node.append(.value(try encodedValue(value, codingPath))) }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
        nested().container(keyedBy: type)
    }

    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { nested().unkeyedContainer() }

    func superEncoder() -> any Encoder { nested() }

    private func nested() -> Node {
        let nested = Node(codingPath)
        node.append(.node(nested))
        return nested
    }
}

private struct Single: SingleValueEncodingContainer {
    let node: Node
    var codingPath: [any CodingKey] { node.codingPath }

    func encodeNil() { node.set(.nothing) }
    func encode(_ value: Bool) { node.set(.bool(value)) }
    func encode(_ value: String) { node.set(.text(value)) }
    func encode(_ value: Double) { node.set(.double(value)) }
    func encode(_ value: Float) { node.set(.double(Double(value))) }
    func encode(_ value: Int) { node.set(.signed(Int64(value))) }
    func encode(_ value: Int8) { node.set(.signed(Int64(value))) }
    func encode(_ value: Int16) { node.set(.signed(Int64(value))) }
    func encode(_ value: Int32) { node.set(.signed(Int64(value))) }
    func encode(_ value: Int64) { node.set(.signed(value)) }
    func encode(_ value: UInt) { encode(UInt64(value)) }
    func encode(_ value: UInt8) { node.set(.signed(Int64(value))) }
    func encode(_ value: UInt16) { node.set(.signed(Int64(value))) }
    func encode(_ value: UInt32) { node.set(.signed(Int64(value))) }
    func encode(_ value: UInt64) { node.set(Int64(exactly: value).map { .signed($0) } ?? .unsigned(value)) }
    func encode(_ value: some Encodable) throws { node.set(try encodedValue(value, codingPath)) }
}
