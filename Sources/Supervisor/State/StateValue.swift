// What a row's bytes mean: values in a tree, as compact bytes. Fields have names, so that a later version may add one
// and leave out another; each name is written once.

indirect enum StateValue: Equatable {
    case nothing
    case bool(Bool)
    case signed(Int64)
    /// Only what `signed` has no room for.
    case unsigned(UInt64)
    case double(Double)
    case text(String)
    case bytes([UInt8])
    case list([StateValue])
    case fields([Field])

    struct Field: Equatable {
        let name: String
        let value: StateValue
    }

    /// Deeper values are refused: no state is as deep, and reading must not run out of stack.
    static let depthMax = 64

    private enum Tag {
        static let nothing: UInt8 = 0
        static let no: UInt8 = 1
        static let yes: UInt8 = 2
        static let natural: UInt8 = 3
        static let negative: UInt8 = 4
        static let double: UInt8 = 5
        static let text: UInt8 = 6
        static let bytes: UInt8 = 7
        static let list: UInt8 = 8
        static let fields: UInt8 = 9
    }

    // MARK: writing

    var written: [UInt8] {
        var writer = StateWriter()
        var names: [String: Int] = [:]
        write(to: &writer, &names)
        return writer.bytes
    }

    private func write(to writer: inout StateWriter, _ names: inout [String: Int]) {
        switch self {
        case .nothing: writer.byte(Tag.nothing)
        case .bool(let value): writer.byte(value ? Tag.yes : Tag.no)
        case .signed(let value):
            writer.byte(value < 0 ? Tag.negative : Tag.natural)
            // -1 is 0, -2 is 1, …: the smallest number has an image, too.
            writer.number(UInt64(bitPattern: value < 0 ? ~value : value))
        case .unsigned(let value):
            writer.byte(Tag.natural)
            writer.number(value)
        case .double(let value):
            writer.byte(Tag.double)
            writer.number(value.bitPattern)
        case .text(let text):
            writer.byte(Tag.text)
            writer.text(text)
        case .bytes(let bytes):
            writer.byte(Tag.bytes)
            writer.block(bytes)
        case .list(let values):
            writer.byte(Tag.list)
            writer.number(UInt64(values.count))
            for value in values { value.write(to: &writer, &names) }
        case .fields(let fields):
            writer.byte(Tag.fields)
            writer.number(UInt64(fields.count))
            for field in fields {
                Self.write(field.name, to: &writer, &names)
                field.value.write(to: &writer, &names)
            }
        }
    }

    /// 0 and the name, or the number of a name that came before.
    private static func write(_ name: String, to writer: inout StateWriter, _ names: inout [String: Int]) {
        if let number = names[name] { return writer.number(UInt64(number)) }
        names[name] = names.count + 1
        writer.number(0)
        writer.text(name)
    }

    // MARK: reading

    init(_ bytes: [UInt8]) throws(StateError) {
        var reader = StateReader(bytes)
        var names: [String] = []
        self = try Self.read(&reader, &names, depth: 0)
        guard reader.isAtEnd else { throw .malformed("bytes after the end of a row") }
    }

    private static func read(
        _ reader: inout StateReader, _ names: inout [String], depth: Int
    ) throws(StateError) -> StateValue {
        guard depth < depthMax else { throw .malformed("a row is too deep") }
        switch try reader.byte() {
        case Tag.nothing: return .nothing
        case Tag.no: return .bool(false)
        case Tag.yes: return .bool(true)
        case Tag.natural:
            let number = try reader.number()
            return Int64(exactly: number).map { .signed($0) } ?? .unsigned(number)
        case Tag.negative:
            guard let number = Int64(exactly: try reader.number()) else { throw .malformed("a number is too large") }
            return .signed(~number)
        case Tag.double: return .double(Double(bitPattern: try reader.number()))
        case Tag.text: return .text(try reader.text())
        case Tag.bytes: return .bytes(Array(try reader.block()))
        case Tag.list:
            var values: [StateValue] = []
            for _ in 0..<(try reader.count(ofAtLeast: 1)) { values.append(try read(&reader, &names, depth: depth + 1)) }
            return .list(values)
        case Tag.fields:
            var fields: [Field] = []
            for _ in 0..<(try reader.count(ofAtLeast: 2)) {
                let name = try readName(&reader, &names)
                fields.append(Field(name: name, value: try read(&reader, &names, depth: depth + 1)))
            }
            return .fields(fields)
        case let tag: throw .malformed("no value begins with \(tag)")
        }
    }

    private static func readName(_ reader: inout StateReader, _ names: inout [String]) throws(StateError) -> String {
        let number = try reader.number()
        if number == 0 {
            names.append(try reader.text())
            return names[names.count - 1]
        }
        guard number <= UInt64(names.count) else { throw .malformed("a field without a name") }
        return names[Int(number) - 1]
    }
}
