// Swift and C told apart into code, comments and strings. Each part is as long as the whole, with spaces for the rest,
// so that lines stay where they are.

struct SourceText {
    private let bytes: [UInt8]
    private let kinds: [Lexer.Kind]

    init(_ text: String) {
        var lexer = Lexer(bytes: Array(text.utf8))
        lexer.run()
        (bytes, kinds) = (lexer.bytes, lexer.kinds)
    }

    var code: String { part { $0 == .code } }
    var comments: String { part { $0 == .comment } }

    /// Comments and strings: what people read.
    var words: String { part { $0 != .code } }

    private func part(_ wanted: (Lexer.Kind) -> Bool) -> String {
        var part = bytes
        for index in bytes.indices where !wanted(kinds[index]) && bytes[index] != UInt8(ascii: "\n") {
            part[index] = UInt8(ascii: " ")
        }
        return String(decoding: part, as: UTF8.self)
    }
}

private struct Lexer {
    enum Kind: UInt8 {
        case code, comment, string
    }

    let bytes: [UInt8]
    private(set) var kinds: [Kind]
    private var place = 0

    init(bytes: [UInt8]) {
        self.bytes = bytes
        kinds = [Kind](repeating: .code, count: bytes.count)
    }

    mutating func run() { code(untilParenthesis: false) }

    private func sees(_ text: StaticString, at offset: Int = 0) -> Bool {
        let start = place + offset
        guard start + text.utf8CodeUnitCount <= bytes.count else { return false }
        for index in 0..<text.utf8CodeUnitCount where bytes[start + index] != text.utf8Start[index] { return false }
        return true
    }

    private mutating func take(_ count: Int, as kind: Kind) {
        let end = min(place + count, bytes.count)
        while place < end {
            kinds[place] = kind
            place += 1
        }
    }

    /// To the end, or past the parenthesis that closes an interpolation.
    private mutating func code(untilParenthesis: Bool) {
        var depth = 0
        while place < bytes.count {
            switch bytes[place] {
            case UInt8(ascii: "/") where sees("//"):
                while place < bytes.count && bytes[place] != UInt8(ascii: "\n") { take(1, as: .comment) }
            case UInt8(ascii: "/") where sees("/*"): block()
            case UInt8(ascii: "\""): string(hashes: 0)
            case UInt8(ascii: "#"):
                var hashes = 0
                while place + hashes < bytes.count && bytes[place + hashes] == UInt8(ascii: "#") { hashes += 1 }
                if sees("\"", at: hashes) { string(hashes: hashes) } else { take(hashes, as: .code) }
            case UInt8(ascii: "'") where sees("'\\", at: 0) || sees("'", at: 2):
                // A character of C.
                take(1, as: .string)
                while place < bytes.count && bytes[place] != UInt8(ascii: "'") { take(sees("\\") ? 2 : 1, as: .string) }
                take(1, as: .string)
            case UInt8(ascii: "("):
                depth += 1
                take(1, as: .code)
            case UInt8(ascii: ")"):
                take(1, as: .code)
                if untilParenthesis && depth == 0 { return }
                depth -= 1
            default: take(1, as: .code)
            }
        }
    }

    private mutating func block() {
        var depth = 0
        repeat {
            if sees("/*") {
                depth += 1
                take(2, as: .comment)
            } else if sees("*/") {
                depth -= 1
                take(2, as: .comment)
            } else {
                take(1, as: .comment)
            }
        } while depth > 0 && place < bytes.count
    }

    private mutating func string(hashes: Int) {
        take(hashes, as: .string)
        let quotes = sees("\"\"\"") ? 3 : 1
        take(quotes, as: .string)
        while place < bytes.count {
            if bytes[place] == UInt8(ascii: "\\") && hasHashes(hashes, at: 1) {
                let isInterpolation = sees("(", at: hashes + 1)
                take(hashes + 2, as: isInterpolation ? .code : .string)
                if isInterpolation { code(untilParenthesis: true) }
            } else if bytes[place] == UInt8(ascii: "\""), quotes == 1 || sees("\"\"\""), hasHashes(hashes, at: quotes) {
                return take(quotes + hashes, as: .string)
            } else if quotes == 1 && bytes[place] == UInt8(ascii: "\n") {
                // Not closed, or no string at all.
                return
            } else {
                take(1, as: .string)
            }
        }
    }

    private func hasHashes(_ count: Int, at offset: Int) -> Bool {
        for index in 0..<count where !sees("#", at: offset + index) { return false }
        return true
    }
}
