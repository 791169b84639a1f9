// The rows of the state: what is written is read as the same, and what nobody has written is refused.
import Foundation
import Testing

@testable import Supervisor

/// A little of all that a row may have.
struct SampleState: Codable, Equatable {
    enum Kind: Codable, Equatable {
        case plain
        case timed(at: Int64, words: [String])
        case nested([Kind])
    }

    var flag = true
    var small: Int8 = -128
    var large: UInt64 = .max
    var least: Int64 = .min
    var ratio = 0.1
    var text = "ü\n\0🙂"
    var bytes: [UInt8] = [0, 255, 128]
    var none: Int?
    var some: [Int?] = [nil, 3]
    var byNumber: [Int: String] = [-1: "a", 7: "b"]
    var byName: [String: [UInt8]] = ["x": [1], "": []]
    var set: Set<Int32> = [1, 2]
    var time: Duration = .milliseconds(-1500)
    var range: ClosedRange<Int> = 3...4
    var kinds: [Kind] = [.plain, .timed(at: 5, words: ["w"]), .nested([.plain, .nested([])])]
}

@Suite struct StateTests {
    @Test func whatIsWrittenIsRead() throws {
        let sample = SampleState()
        let bytes = try StateEncoder.encode(sample)
        #expect(try StateDecoder.decode(SampleState.self, from: bytes) == sample)
        #expect(try StateEncoder.encode([1, 300, -1]) == [8, 3, 3, 1, 3, 0xAC, 2, 4, 0])
    }

    /// A name is written once, however many values have it.
    @Test func isCompact() throws {
        let one = try StateEncoder.encode([SampleState()]).count
        let many = try StateEncoder.encode([SampleState](repeating: SampleState(), count: 101)).count
        #expect((many - one) / 100 < one * 2 / 3, "\(one) bytes the first, \((many - one) / 100) each other")
        #expect(try StateEncoder.encode([UInt8](repeating: 200, count: 1000)).count < 1010)
    }

    @Test func anotherVersionMayHaveMoreFieldsAndFewer() throws {
        struct Old: Codable { var flag = false, gone = 3 }
        struct New: Codable { var flag: Bool, added: String? }
        let new = try StateDecoder.decode(New.self, from: StateEncoder.encode(Old()))
        #expect(!new.flag && new.added == nil)
        #expect(throws: StateError("the state is malformed: Old has no good gone")) {
            try StateDecoder.decode(Old.self, from: StateEncoder.encode(new))
        }
    }

    @Test func refusesWhatIsCutOrWrong() throws {
        let bytes = try StateEncoder.encode(SampleState())
        for count in 0..<bytes.count {
            #expect(throws: StateError.self) { try StateDecoder.decode(SampleState.self, from: Array(bytes[..<count])) }
        }
        #expect(throws: StateError.self) { try StateDecoder.decode(SampleState.self, from: bytes + [0]) }
        #expect(throws: StateError.self) { try StateDecoder.decode(Int8.self, from: StateEncoder.encode(128)) }
        #expect(throws: StateError.self) { try StateDecoder.decode(UInt.self, from: StateEncoder.encode(-1)) }
        let range = try StateEncoder.encode([4, 3])
        #expect(throws: StateError.self) { try StateDecoder.decode(ClosedRange<Int>.self, from: range) }
        let deep: [UInt8] = (0..<200_000).map { $0.isMultiple(of: 2) ? 8 : 1 }
        #expect(throws: StateError.self) { try StateDecoder.decode([Int].self, from: deep) }
        // A list and a text that claim to be larger than any memory.
        for tag: UInt8 in [6, 7, 8, 9] {
            let claim = [tag] + [UInt8](repeating: 0xFF, count: 9) + [1]
            #expect(throws: StateError.self) { try StateDecoder.decode([Int].self, from: claim) }
        }
    }

    @Test func rowsTravelTogether() throws {
        let rows = [
            try StateRow("pool", SampleState()), StateRow(key: "worker/17", bytes: [], descriptors: [3, 4, 2_000_000]),
        ]
        let bytes = StateFormat.write(rows)
        #expect(try StateFormat.read(bytes) == rows)
        for count in 0..<bytes.count {
            #expect(throws: StateError.self) { try StateFormat.read(Array(bytes[..<count])) }
        }
        #expect(throws: StateError.self) { try StateFormat.read(bytes + [0]) }
        #expect(throws: StateError.self) { try StateFormat.read(StateFormat.write([rows[0], rows[0]])) }
    }

    @Test func versionsOutsideTheTableAreRefusedByName() {
        var writer = StateWriter(bytes: Array("reloaderd state\n".utf8))
        writer.number(StateFormat.readableVersions.upperBound + 1)
        #expect(throws: StateError("the state has format 2, and this version reads 1 to 1")) {
            try StateFormat.read(writer.bytes)
        }
        #expect(StateFormat.readableVersions.contains(StateFormat.version))
    }

    @Test func rowsOfGroupsComeInTheOrderOfTheirNumbers() {
        let keys = ["worker/10", "worker/9", "pool", "worker/2"]
        let rows = StateRows(keys.map { StateRow(key: $0, bytes: [], descriptors: []) })
        #expect(rows.keys("worker/") == ["worker/2", "worker/9", "worker/10"])
        let missing = StateError("the state is malformed: it has no row slot/1")
        #expect(throws: missing) { try rows.value(Int.self, "slot/1") }
        #expect(throws: StateError.self) { try rows.value(Int.self, "pool") }
        #expect(throws: StateError.self) { _ = try rows.descriptor(0, of: "pool") }
        #expect(throws: StateError.self) { _ = try rows.descriptor(-1, of: "pool") }
    }

    /// Nothing is closed before the daemon says that all has gone well.
    @Test func descriptorsAreDuplicates() throws {
        let original = open("/dev/null", O_RDONLY | O_CLOEXEC)
        let rows = StateRows([StateRow(key: "pool", bytes: [], descriptors: [original])])
        do {
            let copy = try rows.descriptor(0, of: "pool")
            #expect(copy.number != original && fcntl(copy.number, F_GETFD) == FD_CLOEXEC)
        }
        #expect(fcntl(original, F_GETFD) == FD_CLOEXEC)
        rows.closeOriginals()
        #expect(!rows.has("pool"))
    }
}
