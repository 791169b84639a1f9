// The form in which all rows travel together, in one file in memory, with its table of versions; and what can be wrong
// with a state.
internal import Glibc

/// Why a state can't be written or read. Nothing of a bad state is used.
struct StateError: Error, Equatable, CustomStringConvertible {
    /// One line for people.
    let description: String

    init(_ description: String) { self.description = description }

    init(_ error: SystemError) { description = "\(error)" }

    /// A failed system call as the reason.
    static func from<Value: ~Copyable>(_ body: () throws(SystemError) -> Value) throws(StateError) -> Value {
        do throws(SystemError) { return try body() } catch { throw StateError(error) }
    }

    static func malformed(_ what: String) -> StateError { StateError("the state is malformed: \(what)") }
}

enum StateFormat {
    /// The version that is written. It is raised when an older reader could not make sense of the state any more. To
    /// add an optional field, or a row that an older version can do without, raises nothing.
    static let version: UInt64 = 1

    /// The versions that are read: at least the one that the last release writes, and the one that is written here.
    ///
    /// | version | written by | difference |
    /// | --- | --- | --- |
    /// | 1 | from 0.2.0 on | the first |
    static let readableVersions: ClosedRange<UInt64> = 1...1

    /// The largest state that is read, in bytes. A pool of the largest size with all last lines of its workers stays
    /// below that.
    static let bytesMax = 1 << 30

    private static let magic = Array("reloaderd state\n".utf8)

    /// All rows as one piece.
    static func write(_ rows: [StateRow]) -> [UInt8] {
        var writer = StateWriter(bytes: magic)
        writer.number(version)
        writer.number(UInt64(rows.count))
        for row in rows {
            writer.text(row.key)
            writer.block(row.bytes)
            writer.number(UInt64(row.descriptors.count))
            for number in row.descriptors { writer.number(UInt64(UInt32(bitPattern: number))) }
        }
        return writer.bytes
    }

    /// The rows of what `write` has written, by this version or by another that can be read.
    static func read(_ bytes: [UInt8]) throws(StateError) -> [StateRow] {
        guard bytes.starts(with: magic) else { throw .malformed("it does not begin as one") }
        var reader = StateReader(bytes, from: magic.count)
        let version = try reader.number()
        guard readableVersions.contains(version) else {
            throw StateError(
                "the state has format \(version), and this version reads \(readableVersions.lowerBound) to "
                    + "\(readableVersions.upperBound)")
        }
        let count = try reader.count(ofAtLeast: 3)
        var rows: [StateRow] = []
        var keys: Set<String> = []
        for _ in 0..<count {
            let key = try reader.text()
            let bytes = try reader.block()
            var descriptors: [Int32] = []
            for _ in 0..<(try reader.count(ofAtLeast: 1)) {
                guard let number = Int32(exactly: try reader.number()) else { throw .malformed("a descriptor") }
                descriptors.append(number)
            }
            guard keys.insert(key).inserted else { throw .malformed("two rows \(printable(key))") }
            rows.append(StateRow(key: key, bytes: Array(bytes), descriptors: descriptors))
        }
        guard reader.isAtEnd else { throw .malformed("bytes after its end") }
        return rows
    }
}

/// Writes numbers, texts and blocks one after the other.
struct StateWriter {
    private(set) var bytes: [UInt8] = []

    init(bytes: [UInt8] = []) { self.bytes = bytes }

    mutating func byte(_ byte: UInt8) { bytes.append(byte) }

    /// Seven bits a byte, the lowest first; each but the last has the eighth bit set.
    mutating func number(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    mutating func block(_ block: some Collection<UInt8>) {
        number(UInt64(block.count))
        bytes.append(contentsOf: block)
    }

    mutating func text(_ text: String) { block(Array(text.utf8)) }
}

/// Reads what `StateWriter` has written, within bounds.
struct StateReader {
    private let bytes: [UInt8]
    private var place: Int

    init(_ bytes: [UInt8], from start: Int = 0) {
        self.bytes = bytes
        place = min(start, bytes.count)
    }

    var isAtEnd: Bool { place == bytes.count }

    mutating func byte() throws(StateError) -> UInt8 {
        guard place < bytes.count else { throw .malformed("it is cut off") }
        defer { place += 1 }
        return bytes[place]
    }

    mutating func number() throws(StateError) -> UInt64 {
        var number: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            let byte = try byte()
            let part = UInt64(byte & 0x7F)
            if shift == 63 && part > 1 { break }
            number |= part << shift
            if byte < 0x80 { return number }
        }
        throw .malformed("a number is too large")
    }

    /// A number of things that have at least `size` bytes each: no more than there is room for.
    mutating func count(ofAtLeast size: Int) throws(StateError) -> Int {
        let number = try number()
        guard number <= UInt64((bytes.count - place) / size) else { throw .malformed("it is cut off") }
        return Int(number)
    }

    mutating func block() throws(StateError) -> ArraySlice<UInt8> {
        let count = try count(ofAtLeast: 1)
        defer { place += count }
        return bytes[place..<place + count]
    }

    mutating func text() throws(StateError) -> String {
        guard let text = String(validating: try block(), as: UTF8.self) else { throw .malformed("a text") }
        return text
    }
}
