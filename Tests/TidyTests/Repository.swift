// The files of the repository, as the tidy tests read them.
import Foundation

struct TextFile {
    enum Language {
        case swift, c, script, prose
    }

    /// From the root of the repository: `Sources/Reloader/Pool.swift`.
    let path: String
    let language: Language
    let text: String

    init(path: String, language: Language, text: String) {
        self.path = path
        self.language = language
        self.text = text
    }

    /// Nil if the file is of no language that is checked.
    init?(path: String, bytes: Data) {
        let name = path.split(separator: "/").last ?? ""
        let language: Language? =
            switch name.split(separator: ".", omittingEmptySubsequences: false).dropFirst().last ?? "" {
            case "swift": .swift
            case "c", "h", "js", "go": .c
            case "py", "sh", "rb", "ru", "yaml", "service", "conf": .script
            case "md", "7", "8": .prose
            default: bytes.starts(with: Data("#!".utf8)) || name.hasPrefix("Dockerfile") ? .script : nil
            }
        guard let language else { return nil }
        self.init(path: path, language: language, text: String(decoding: bytes, as: UTF8.self))
    }

    func isUnder(_ folders: [String]) -> Bool { folders.contains { path == $0 || path.hasPrefix($0 + "/") } }
}

/// One thing that is wrong, and where.
struct Finding: CustomStringConvertible, Equatable {
    var path: String
    /// From 1.
    var line: Int
    var what: String

    var description: String { "\(path):\(line): \(what)" }
}

enum Repository {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// The path of each file and folder from the root, but for what git ignores and what is hidden; `.ci` is ours.
    static let paths: Set<String> = {
        var found: Set<String> = []
        func walk(_ folder: String) {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: root.path + "/" + folder)) ?? []
            for name in names where !name.hasPrefix(".") || name == ".ci" {
                if name == "__pycache__" || name.hasSuffix(".o") { continue }
                let path = folder.isEmpty ? name : folder + "/" + name
                found.insert(path)
                walk(path)
            }
        }
        walk("")
        return found
    }()

    static let files: [TextFile] = paths.sorted().compactMap { path in
        FileManager.default.contents(atPath: root.path + "/" + path).flatMap { TextFile(path: path, bytes: $0) }
    }
}

/// A regular expression of ICU's, which is quick in a build for debugging too.
struct Pattern {
    private let expression: NSRegularExpression?

    init(_ pattern: String) {
        expression = try? NSRegularExpression(pattern: pattern, options: [.anchorsMatchLines])
        precondition(expression != nil, "no regular expression: \(pattern)")
    }

    /// Each match, or its first group if it has one, with the number of its line.
    func matches(in text: String) -> [(text: String, line: Int)] {
        let whole = text as NSString
        var (line, place) = (1, 0)
        return (expression?.matches(in: text, range: NSRange(location: 0, length: whole.length)) ?? []).map { match in
            let range = match.numberOfRanges > 1 ? match.range(at: 1) : match.range
            while place < range.location {
                if whole.character(at: place) == 10 { line += 1 }
                place += 1
            }
            return (whole.substring(with: range), line)
        }
    }
}
