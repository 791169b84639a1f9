// Fragments that a native reader stumbles over, as far as a pattern finds them; the rest is for people to see.
import Testing

@Suite struct EnglishTests {
    @Test func noFragmentsAreLeft() {
        let findings = Repository.files.filter { !$0.isUnder(["Tests/TidyTests"]) }
            .flatMap(Self.fragments)
        #expect(findings.isEmpty, "\(findings.told)")
    }

    /// Words of which each has a plain equivalent: "again", "if there is one", "cannot be had", "for lack of".
    private static let words = phrases([
        "anew", "is not to be had", "are not to be had", "is to be had", "none of somebody's business",
        "where there is one", "where there are none", "where there is none", "for want of", "whosever",
    ])
    /// What follows "of" or "who" at the beginning is said of nothing; a question may begin with "Who".
    private static let beginnings = Pattern(
        #"(?:^[ \t]*(?:///?|/\*+|[#*-]|\.\\")?[ \t]*|"|[.!?:][")*]?[ \t]+)"#
            + #"((?:Of (?!course)|Who (?![^.]*\?)|Whoever )[\w/`\\-]+)"#)

    private static func phrases(_ phrases: [String]) -> Pattern {
        // A phrase may go on in the next line of a comment.
        let joined = phrases.map { $0.split(separator: " ").joined(separator: "[\\s/#*]+") }.joined(separator: "|")
        return Pattern("(?i)\\b((?:\(joined)))\\b")
    }

    static func fragments(in file: TextFile) -> [Finding] {
        let text = file.language == .swift || file.language == .c ? SourceText(file.text).words : file.text
        return [words, beginnings].flatMap { $0.matches(in: text) }.map { found in
            let shown = found.text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            return Finding(path: file.path, line: found.line, what: "\"\(shown)\": name the noun, say it plainly")
        }
    }

    // MARK: the checks themselves

    @Test(arguments: [
        "// Of those that are left, one.",
        "let a = 1 // It ends. Of the rest nothing is known.", "/// Who asked for it.",
        "let a = \"Whoever asks\"", "// It is read anew.", "// A file that\n    // is not to\n    // be had.",
        "throw Failure(\"no memory is to be had\")", "/* the leader, where there is one */",
    ])
    func aFragmentIsFound(text: String) {
        #expect(Self.fragments(in: TextFile(path: "a.swift", language: .swift, text: text)).count == 1, "\(text)")
    }

    @Test func pagesAndScriptsAreReadWhole() {
        let page = TextFile(path: "a.8", language: .prose, text: ".Pp\nOf both,\nall\n")
        #expect(Self.fragments(in: page).map(\.line) == [2])
        let script = TextFile(path: "a.py", language: .script, text: "def f():\n    # Whoever calls it\n    pass\n")
        #expect(Self.fragments(in: script).map(\.line) == [2])
    }

    @Test(arguments: [
        "// One of those that asked; of course.", "// Who asked for it? The daemon.", "let anew = Of(Who)",
        "// a new one is to be\nlet had = 1", "// OfSlot and Whom", "// Of course.",
    ])
    func plainEnglishIsNot(text: String) {
        #expect(Self.fragments(in: TextFile(path: "a.swift", language: .swift, text: text)).isEmpty, "\(text)")
    }
}
