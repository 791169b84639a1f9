// Which folder of Sources/Supervisor uses which, told by names: a folder uses another if its code has the name of a
// type or of a function that the other declares.

struct RoomGraph {
    /// That one room uses another: the place of the first use, and each name that is used.
    struct Use: CustomStringConvertible {
        var from: String
        var to: String
        var path: String
        var line: Int
        var names: [String]

        var description: String { "\(path):\(line): `\(from)` uses `\(to)`: \(names.joined(separator: ", "))" }
    }

    /// The switchboard names the objects of all rooms, and rooms name its cases when they watch a descriptor. That is
    /// no use of one room by another.
    private static let switchboard = "/Daemon/Source.swift"

    let rooms: Set<String>
    /// By the room that uses, then by the one that is used.
    let uses: [String: [String: Use]]

    /// - Parameters:
    ///   - files: Swift files; a file is in the room that its first folder below `root` names.
    ///   - root: the folder of the rooms.
    init(_ files: [TextFile], root: String) {
        let sources: [(room: String, path: String, words: [Word])] = files.compactMap { file in
            guard file.language == .swift, file.path.hasPrefix(root + "/"), !file.path.hasSuffix(Self.switchboard)
            else { return nil }
            let parts = file.path.dropFirst(root.count + 1).split(separator: "/")
            guard parts.count > 1 else { return nil }
            return (String(parts[0]), file.path, Word.all(in: SourceText(file.text).code))
        }
        var home: [String: String] = [:]
        var functions: Set<String> = []
        for source in sources {
            for declared in Word.declared(in: source.words) where declared.isTopLevel && !declared.isPrivate {
                home[declared.name] = source.room
                if declared.isFunction { functions.insert(declared.name) }
            }
        }
        var uses: [String: [String: Use]] = [:]
        for source in sources {
            // A name that the file declares itself, nested or private, is its own.
            let own = Set(Word.declared(in: source.words).map(\.name))
            for (index, word) in source.words.enumerated() {
                guard let to = home[word.text], to != source.room, !own.contains(word.text) else { continue }
                if index > 0 && [".", "func"].contains(source.words[index - 1].text) { continue }
                let next = index + 1 < source.words.count ? source.words[index + 1].text : ""
                if functions.contains(word.text) && !["(", "{"].contains(next) { continue }
                let first = Use(from: source.room, to: to, path: source.path, line: word.line, names: [])
                var use = uses[source.room]?[to] ?? first
                if !use.names.contains(word.text) { use.names.append(word.text) }
                uses[source.room, default: [:]][to] = use
            }
        }
        rooms = Set(sources.map(\.room))
        self.uses = uses
    }

    func used(by room: String) -> Set<String> { Set((uses[room] ?? [:]).keys) }

    /// Each use that is part of a circle, sorted.
    var circles: [Use] {
        uses.values.flatMap { $0.values }.filter { reachable(from: $0.to).contains($0.from) }
            .sorted { ($0.from, $0.to) < ($1.from, $1.to) }
    }

    private func reachable(from room: String) -> Set<String> {
        var (seen, next) = (Set<String>(), [room])
        while let room = next.popLast() {
            for other in used(by: room) where seen.insert(other).inserted { next.append(other) }
        }
        return seen
    }
}

/// An identifier or a sign of Swift code.
private struct Word {
    var text: String
    var line: Int

    static func all(in code: String) -> [Word] {
        var (words, line, name) = ([Word](), 1, [UInt8]())
        func isOfName(_ byte: UInt8) -> Bool {
            byte >= 0x80 || byte == UInt8(ascii: "_") || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
                || UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20
        }
        for byte in Array(code.utf8) + [UInt8(ascii: "\n")] {
            if isOfName(byte) {
                name.append(byte)
                continue
            }
            if !name.isEmpty { words.append(Word(text: String(decoding: name, as: UTF8.self), line: line)) }
            name.removeAll(keepingCapacity: true)
            if byte == UInt8(ascii: "\n") { line += 1 }
            if byte > UInt8(ascii: " ") { words.append(Word(text: String(UnicodeScalar(byte)), line: line)) }
        }
        return words
    }

    struct Declared {
        var name: String
        var isTopLevel: Bool
        var isPrivate: Bool
        var isFunction: Bool
    }

    /// The types, and the functions at top level.
    static func declared(in words: [Word]) -> [Declared] {
        var (depth, isPrivate, found) = (0, false, [Declared]())
        for (index, word) in words.enumerated() {
            switch word.text {
            case "{": depth += 1
            case "}":
                depth -= 1
                isPrivate = false
            case "private", "fileprivate": isPrivate = true
            case "public", "package", "internal", "var", "let", "extension": isPrivate = false
            case "class", "struct", "enum", "protocol", "typealias", "actor", "func":
                let isFunction = word.text == "func"
                // `class func`; a label or a member of that name.
                guard index + 1 < words.count, words[index + 1].text.first?.isLetter ?? false,
                    words[index + 1].text != "func", index == 0 || words[index - 1].text != "."
                else { continue }
                if !isFunction || depth == 0 {
                    found.append(
                        Declared(
                            name: words[index + 1].text, isTopLevel: depth == 0, isPrivate: isPrivate,
                            isFunction: isFunction))
                }
                isPrivate = false
            default: break
            }
        }
        return found
    }
}
