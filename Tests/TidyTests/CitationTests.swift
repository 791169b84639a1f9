// Whatever a comment or a page cites is there: a file of the repository by its path, or a source file by its name.
import Testing

@Suite struct CitationTests {
    @Test func whatIsCitedIsThere() {
        let findings = Repository.files
            .flatMap { Self.missing(in: $0, paths: Repository.paths) }
        #expect(findings.isEmpty, "\(findings.told)")
    }

    /// Readers of the repository have the repository.
    @Test func nothingOutsideIsCited() {
        let findings = Repository.files.filter { !$0.isUnder(["Tests/TidyTests"]) }.flatMap(Self.outside)
        #expect(findings.isEmpty, "\(findings.told)")
    }

    private static let path = Pattern(
        "(?<![\\w/.$)}+-])((?:Sources|Tests|docs|man|Benchmarks|packaging|Examples|\\.ci)/[\\w@+./-]*)")
    /// A Swift file by its name, or by the first part of it: `Pool.swift`, `Pool+Roll`.
    private static let swiftFile = Pattern("(?<![\\w/.+-])([A-Z]\\w*\\+[A-Z]\\w*(?:\\.swift)?|[A-Z]\\w*\\.swift)\\b")
    /// A file in another language; only tests and benchmarks have such that they speak of by name alone.
    private static let program = Pattern("(?<![\\w/.+*<-])([a-z][\\w-]*\\.(?:py|sh|c|h|js|go|rb|ru))\\b(?!\\()")

    static func missing(in file: TextFile, paths: Set<String>) -> [Finding] {
        let text = file.language == .swift || file.language == .c ? SourceText(file.text).comments : file.text
        let names = Set(paths.compactMap { $0.split(separator: "/").last.map(String.init) })
        var findings: [Finding] = []
        func check(_ pattern: Pattern, _ isThere: (String) -> Bool) {
            for (cited, line) in pattern.matches(in: text) where !isThere(cited) {
                findings.append(Finding(path: file.path, line: line, what: "cites \(cited), which is not there"))
            }
        }
        check(path) { cited in
            let end = cited.lastIndex { !"./".contains($0) } ?? cited.startIndex
            return paths.contains(String(cited[...end]))
        }
        check(swiftFile) { names.contains($0.hasSuffix(".swift") ? $0 : $0 + ".swift") }
        if file.isUnder(["Tests", "Benchmarks"]) && file.language != .script { check(program) { names.contains($0) } }
        return findings
    }

    private static let elsewhere = Pattern(
        #"((?<![\w/])/work(?:/(?:main|shared|wt)\w*|(?=[\s,.;:]|$))|\.\./shared\b|\b[Ii]ssues? #?[0-9]+\b)"#)

    static func outside(_ file: TextFile) -> [Finding] {
        elsewhere.matches(in: file.text).map {
            Finding(path: file.path, line: $0.line, what: "cites \($0.text), which readers don't have")
        }
    }

    // MARK: the checks themselves

    @Test(arguments: [
        ("// See Sources/Gone.swift.", "Sources/Gone.swift."), ("/// Pool+Gone has the rest", "Pool+Gone"),
        ("let a = 1 // Gone.swift", "Gone.swift"), ("/* docs/gone.md#part */", "docs/gone.md"),
        ("// as gone.py does", "gone.py"),
    ])
    func aMissingFileIsFound(text: String, cited: String) {
        let file = TextFile(path: "Tests/a.swift", language: .swift, text: "\n\(text)\n")
        #expect(
            Self.missing(in: file, paths: ["Tests", "Tests/a.swift"]) == [
                Finding(path: "Tests/a.swift", line: 2, what: "cites \(cited), which is not there")
            ])
    }

    @Test(arguments: [
        "// Sources/A/Pool+Roll.swift, Tests/, Tests/*.swift, Pool+Roll, Pool+Roll.swift and Sources/A.",
        "let text = \"Sources/Gone and Gone.swift\"",
        "// ~/other/Sources/Gone, /usr/share/man/man8, \\(package)/man/gone",
        "// 1+1, A + B, /Gone.swift", "// run.py, helper.c, <gone.h>",
    ])
    func whatIsThereIsNotReported(text: String) {
        let paths: Set<String> = [
            "Sources", "Sources/A", "Sources/A/Pool+Roll.swift", "Tests", "Tests/run.py", "Tests/helper.c",
        ]
        #expect(Self.missing(in: TextFile(path: "Tests/a.swift", language: .swift, text: text), paths: paths).isEmpty)
    }

    @Test func aPageIsReadWhole() {
        let file = TextFile(path: "README.md", language: .prose, text: "see\n`Benchmarks/run` and [it](docs/gone.md)\n")
        #expect(Self.missing(in: file, paths: ["Benchmarks/run"]).map(\.line) == [2])
    }

    /// Written in parts, so that this file cites nothing itself.
    @Test(arguments: [
        "/wo" + "rk/sha" + "red/a", "as /wo" + "rk.", "../sha" + "red/x", "iss" + "ue 12", "(Iss" + "ue #3)",
    ])
    func whatIsElsewhereIsFound(text: String) {
        #expect(Self.outside(TextFile(path: "a.py", language: .script, text: "#\n# \(text)")).map(\.line) == [2])
    }

    @Test(arguments: ["/workers", "network/work", "\"/work/app\"", "issues of 2", "an issue"])
    func whatOnlyLooksLikeItIsNot(text: String) {
        #expect(Self.outside(TextFile(path: "a.py", language: .script, text: text)).isEmpty)
    }
}
