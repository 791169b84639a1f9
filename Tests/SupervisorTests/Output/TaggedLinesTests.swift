import Testing

@testable import Supervisor

@Suite struct TaggedLinesTests {
    /// However the stream is cut into pieces, the same lines come out.
    @Test func piecesDoNotMatter() {
        var random = SeededGenerator(seed: 11)
        for _ in 0..<200 {
            let text = (0..<Int.random(in: 0...300, using: &random)).map { _ in
                UInt8.random(in: 9...13, using: &random)  // every fifth is a newline
            }
            var lines = TaggedLines(tag: "[x] ")
            var result: [UInt8] = []
            var rest = text[...]
            while !rest.isEmpty {
                let piece = Array(rest.prefix(Int.random(in: 1...20, using: &random)))
                piece.withUnsafeBytes { lines.feed($0, into: &result) }
                rest = rest.dropFirst(piece.count)
            }
            lines.finish(into: &result)
            lines.finish(into: &result)
            var whole = text.split(separator: 10, omittingEmptySubsequences: false)
            if whole.last?.isEmpty == true { whole.removeLast() }
            #expect(result == whole.flatMap { Array("[x] ".utf8) + $0 + [10] })
        }
    }

    @Test func longLinesGoOnInTheNext() {
        var lines = TaggedLines(tag: "> ")
        var result: [UInt8] = []
        let text = [UInt8](repeating: 120, count: 2 * TaggedLines.lineBytesMax + 5) + [10]
        text.withUnsafeBytes { lines.feed($0, into: &result) }
        #expect(
            result.split(separator: 10).map { $0.count - 2 } == [TaggedLines.lineBytesMax, TaggedLines.lineBytesMax, 5])
        #expect(result.split(separator: 10).allSatisfy { $0.starts(with: "> ".utf8) })
    }
}
