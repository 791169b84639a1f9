// What becomes of workers' lines: the last ones and the first are kept, in bounded memory; others get a tag.
import Glibc
import Testing
@testable import Supervisor

@Suite struct LastLinesTests {
    private static func kept(_ text: String, inPiecesOf size: Int = .max) -> KeptLines {
        var lines = KeptLines()
        var number = 0
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let piece = Array(rest.prefix(size))
            number += 1
            _ = piece.withUnsafeBytes { lines.append($0, to: .standardError, at: timespec(), number) }
            rest = rest.dropFirst(piece.count)
        }
        return lines
    }

    private static func texts(_ lines: KeptLines) -> [String] {
        lines.all(of: WorkerStream.Kind.allCases, fromStart: true).texts
    }

    /// However the stream is cut into pieces, the same lines are kept.
    @Test func piecesDoNotMatter() {
        let text = (0..<400).map { "line \($0)\n" }.joined() + "unfinished"
        let first = (0..<32).map { "line \($0)" }
        let expected = first + [KeptLines.gap] + (145..<400).map { "line \($0)" } + ["unfinished"]
        for size in [1, 7, 100, 4096, Int.max] {
            let lines = Self.kept(text, inPiecesOf: size)
            // An unfinished line is one more.
            #expect(Self.texts(lines).suffix(256) == expected.suffix(256))
            #expect(Self.texts(lines).prefix(33) == expected.prefix(33))
            #expect(lines.last(3).map(\.text) == ["line 398", "line 399", "unfinished"])
            #expect(lines.whole(2, of: .standardError).map(\.text) == ["line 398", "line 399"])
        }
    }

    @Test func littleIsKeptWhole() {
        #expect(Self.texts(Self.kept("")) == [])
        #expect(Self.texts(Self.kept("a\n\nb")) == ["a", "", "b"])
        #expect(Self.texts(Self.kept((1...250).map { "\($0)\n" }.joined())) == (1...250).map { "\($0)" })
    }

    /// 64 lines at least, and each at least as far as 512 bytes.
    @Test func longLinesAreCutOff() {
        let line = String(repeating: "x", count: 70_000)
        let lines = Self.kept((0..<100).map { "\($0) \(line)\n" }.joined(), inPiecesOf: 65_536)
        let kept = lines.all(of: [.standardError], fromStart: false)
        #expect(kept.count == 64)
        #expect(kept.allSatisfy { $0.text.utf8.count == 512 })
        #expect(kept.first?.text.hasPrefix("36 x") == true)
    }

    /// The end of a flood's last read is looked at when somebody asks, or when calm returns.
    @Test(arguments: [33_000, 40_000, 65_536]) func aFloodLeavesItsEnd(size: Int) {
        let text = (0..<20_000).map { "line \($0)\n" }.joined()
        var lines = Self.kept(text + "unfinished", inPiecesOf: size)
        let expected = (19_744..<20_000).map { "line \($0)" } + ["unfinished"]
        let kept = lines.all(of: [.standardError], fromStart: false).texts
        #expect(kept.count >= 64 && kept == Array(expected.suffix(kept.count)))
        #expect(Array(Self.texts(lines).prefix(33)) == (0..<32).map { "line \($0)" } + [KeptLines.gap])
        _ = Array(" line\nlast\n".utf8).withUnsafeBytes {
            lines.append($0, to: .standardError, at: timespec(), 1_000_000)
        }
        #expect(lines.last(3).map(\.text) == ["line 19999", "unfinished line", "last"])
        #expect(Self.texts(Self.kept(text, inPiecesOf: size)).last == "line 19999")
    }

    /// Both streams, by their arrival.
    @Test func streamsAreMerged() {
        var lines = KeptLines()
        var number = 0
        for (text, stream) in [
            ("a\nb\n", WorkerStream.Kind.standardOutput), ("c\n", .standardError), ("d", .standardOutput),
            ("e\n", .standardError), ("f\n", .standardOutput),
        ] {
            number += 1
            _ = Array(text.utf8).withUnsafeBytes { lines.append($0, to: stream, at: timespec(), number) }
        }
        #expect(lines.last(10).map(\.text) == ["a", "b", "c", "e", "df"])
        #expect(lines.last(2).map(\.text) == ["e", "df"])
        #expect(lines.last(10).map(\.stream.name) == ["stdout", "stdout", "stderr", "stderr", "stdout"])
    }

    /// An excerpt leaves out frames of a stack only, never what stands before or after them.
    @Test func anExcerptHasTheMessageOfAStack() {
        let stack =
            ["boot 1", "boot 2", "Error: the reason"] + (1...200).map { "    at frame \($0)" } + ["caused by: it"]
            + (1...13).map { "\tat cause \($0)" } + ["", "Node.js v1"]
        let excerpt = Self.kept(stack.map { "\($0)\n" }.joined()).all(of: [.standardError], fromStart: true).excerpt
        var expected = ["boot 1", "boot 2", "Error: the reason"] + (1...8).map { "    at frame \($0)" }
        expected += [KeptLines.gap] + (197...200).map { "    at frame \($0)" } + ["caused by: it"]
        #expect(excerpt.texts == expected + (1...13).map { "\tat cause \($0)" } + ["", "Node.js v1"])
    }
}

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
