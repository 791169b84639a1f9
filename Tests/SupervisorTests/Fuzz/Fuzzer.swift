// Mutated inputs for a parser, the same in each run: first the corpus itself, then its entries cut, spliced, repeated,
// and with their numbers and words replaced by awkward ones.
//
// RELOADER_FUZZ sets the number of inputs for each target, RELOADER_FUZZ_SEED the seed. The input being tried is kept
// in a file of the temporary folder, which remains if a trap ends the tests; put such an input into the corpus.
import Foundation
import Testing

struct Fuzzer {
    private let target: String
    private let corpus: [[UInt8]]
    private let rounds: Int
    private var random: SeededGenerator

    /// Words that parsers look for, and numbers at the ends of their types.
    private static let pieces: [[UInt8]] =
        [
            "0", "-0", "-1", "1e308", "1e-400", "nan", "inf", "9223372036854775807", "9223372036854775808",
            "-9223372036854775808", "18446744073709551615", "18446744073709551616", "2147483648", "4294967296",
            "65536", "00", "0x10", "1.5", "=", ":", "\"", "'", "\\", "\\u", "\\ud800", "{", "}", "[", "]", ",", "null",
            "true", "\n", "\r\n", "\t", " ", "\0", "\u{FEFF}", "\u{202E}", "é", "🙂", "/", "..", "%", "@", "--", "s",
            "ms", "d", "T", "K", "unlimited", "auto",
        ].map { Array($0.utf8) } + [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80]]

    init(_ target: String, rounds: Int = 3000) throws {
        self.target = target
        corpus = try Self.corpus(target)
        self.rounds = Self.number("RELOADER_FUZZ") ?? rounds
        random = SeededGenerator(seed: UInt64(Self.number("RELOADER_FUZZ_SEED") ?? 1))
    }

    private static func number(_ name: String) -> Int? { ProcessInfo.processInfo.environment[name].flatMap { Int($0) } }

    /// Calls `body` with each input; what it returns is wrong with what became of it.
    mutating func run(_ body: ([UInt8]) throws -> String?) throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("reloaderd-fuzz-\(target)-\(getpid())")
        let number = open(file.path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        try #require(number >= 0)
        defer {
            close(number)
            unlink(file.path)
        }
        for round in 0..<(corpus.count + rounds) {
            let input = round < corpus.count ? corpus[round] : mutated()
            try #require(ftruncate(number, 0) == 0 && pwrite(number, input, input.count, 0) == input.count)
            if let complaint = try body(input) {
                Issue.record("\(target), round \(round): \(complaint): \(Self.escaped(input).prefix(2000))")
            }
        }
    }

    /// An input like those of the corpus.
    mutating func mutated() -> [UInt8] {
        var bytes = corpus.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 1...4, using: &random) { mutate(&bytes) }
        return bytes
    }

    private mutating func mutate(_ bytes: inout [UInt8]) {
        let place = Int.random(in: 0...bytes.count, using: &random)
        let end = min(bytes.count, place + Int.random(in: 1...8, using: &random))
        let piece = Self.pieces.randomElement(using: &random) ?? []
        switch Int.random(in: 0..<10, using: &random) {
        case 0: bytes.replaceSubrange(place..<end, with: [UInt8.random(in: 0...255, using: &random)])
        case 1: bytes.removeSubrange(place..<end)
        case 2: bytes.insert(contentsOf: bytes[place..<end], at: place)
        case 3: bytes.insert(contentsOf: piece, at: place)
        case 4: bytes.replaceSubrange(place..<end, with: piece)
        case 5: bytes.removeSubrange(place...)
        case 6: bytes.replaceSubrange(place..., with: (corpus.randomElement(using: &random) ?? []).suffix(40))
        case 7, 8: replaceNumber(&bytes, by: piece)
        default:
            let count = 1 << Int.random(in: 0...13, using: &random)
            bytes.insert(contentsOf: repeatElement(piece, count: count).joined().prefix(70_000), at: place)
        }
    }

    /// A whole number of the input becomes something else.
    private mutating func replaceNumber(_ bytes: inout [UInt8], by piece: [UInt8]) {
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        let starts = bytes.indices.filter { digits ~= bytes[$0] && ($0 == 0 || !(digits ~= bytes[$0 - 1])) }
        guard let start = starts.randomElement(using: &random) else { return }
        let end = bytes[start...].firstIndex { !(digits ~= $0) } ?? bytes.endIndex
        bytes.replaceSubrange(start..<end, with: piece)
    }

    // MARK: the corpus

    static func corpus(_ target: String) throws -> [[UInt8]] {
        let text = try String(contentsOfFile: "\(Products.tests)/Fuzz/Corpus/\(target).txt", encoding: .utf8)
        // The first line says what the file is for.
        let inputs = try text.split(separator: "\n").dropFirst().map { try unescaped(Array($0.utf8)) }
        try #require(!inputs.isEmpty)
        return inputs
    }

    private static func unescaped(_ text: [UInt8]) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = text[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                bytes.append(byte)
                continue
            }
            switch rest.popFirst() {
            case UInt8(ascii: "n"): bytes.append(0x0A)
            case UInt8(ascii: "r"): bytes.append(0x0D)
            case UInt8(ascii: "t"): bytes.append(0x09)
            case UInt8(ascii: "\\"): bytes.append(UInt8(ascii: "\\"))
            case UInt8(ascii: "x"):
                bytes.append(try #require(UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)))
                rest = rest.dropFirst(2)
            default: throw CorpusError(line: String(decoding: text, as: UTF8.self))
            }
        }
        return bytes
    }

    static func escaped(_ bytes: [UInt8]) -> String {
        bytes.map { byte in
            switch byte {
            case 0x0A: "\\n"
            case UInt8(ascii: "\\"): "\\\\"
            case 0x20..<0x7F: String(Unicode.Scalar(byte))
            default: "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }.joined()
    }
}

private struct CorpusError: Error { let line: String }
