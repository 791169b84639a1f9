// A line has at most 120 columns, comments and strings too, which the formatter leaves alone.
import Foundation
import Testing

@Suite struct LineTests {
    @Test func noLineIsTooLong() {
        let findings = Repository.files.filter { $0.language != .prose }
            .flatMap(Self.tooLong)
        #expect(findings.isEmpty, "\(findings.told)")
    }

    @Test(arguments: [(120, []), (121, [2])]) func columnsAreCounted(columns: Int, lines: [Int]) {
        for character in ["x", "é", "–"] {
            let line = String(repeating: character, count: columns)
            let file = TextFile(path: "a.swift", language: .swift, text: "// a\n\(line)\n")
            #expect(Self.tooLong(file).map(\.line) == lines)
        }
    }

    static func tooLong(_ file: TextFile) -> [Finding] {
        file.text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().compactMap { index, line in
            guard line.utf8.count > 120, line.unicodeScalars.count > 120 else { return nil }
            return Finding(path: file.path, line: index + 1, what: "\(line.unicodeScalars.count) columns")
        }
    }
}

extension [Finding] {
    /// One a line, for the message of a test.
    var told: String { map { "\n\($0)" }.joined() }
}
