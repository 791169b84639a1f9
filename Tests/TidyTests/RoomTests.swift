// The rooms of the runtime, the folders of Sources/Supervisor: no circle between them, and the table in the
// architecture page says which uses which.
import Testing

@Suite struct RoomTests {
    private static let root = "Sources/Supervisor"
    private static let graph = RoomGraph(Repository.files, root: root)

    @Test func noRoomUsesItselfByWayOfOthers() {
        let uses = Self.graph.circles
        #expect(uses.isEmpty, "a circle between folders of \(Self.root):\(uses.map { "\n\($0)" }.joined())")
    }

    private static let page = "docs/architecture.md"

    @Test func theArchitecturePageSaysWhichRoomUsesWhich() {
        let text = Repository.files.first { $0.path == Self.page }?.text ?? ""
        let problems = Self.problems(ofTableIn: text, graph: Self.graph)
        #expect(problems.isEmpty, "the table of rooms in \(Self.page):\(problems.map { "\n" + $0 }.joined())")
    }

    /// What is wrong with the table of rooms, a line each, with what it should say.
    static func problems(ofTableIn page: String, graph: RoomGraph) -> [String] {
        var rows: [String: Set<String>] = [:]
        var problems: [String] = []
        // The table is the one that has a room in its first column.
        for table in tables(in: page) where table.contains(where: { !named($0.first).isDisjoint(with: graph.rooms) }) {
            for cells in table {
                // The head and the rule below it name none.
                guard cells.count > 1, let room = named(cells.first).first else { continue }
                if !graph.rooms.contains(room) { problems.append("`\(room)`: no such folder; delete the row") }
                if rows[room] != nil { problems.append("`\(room)`: has two rows; delete one") }
                rows[room] = named(cells.last)
            }
        }
        for room in graph.rooms.sorted() {
            let used = graph.used(by: room)
            let told = used.isEmpty ? "nothing (`–`)" : used.sorted().map { "`\($0)`" }.joined(separator: ", ")
            guard let row = rows[room] else {
                problems.append("`\(room)`: has no row; its last column: \(told)")
                continue
            }
            guard row != used else { continue }
            let why =
                used.subtracting(row).sorted().compactMap { graph.uses[room]?[$0]?.description }
                + row.subtracting(used).sorted().map { "`\(room)` doesn't use `\($0)`" }
            problems.append("`\(room)`: last column: \(told) (\(why.joined(separator: "; ")))")
        }
        return problems
    }

    /// Tables of Markdown, as rows of cells.
    private static func tables(in page: String) -> [[ArraySlice<Substring>]] {
        page.split(separator: "\n", omittingEmptySubsequences: false).split { !$0.hasPrefix("|") }.map { lines in
            lines.map { $0.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast() }
        }
    }

    /// What a cell has in backticks, as the name of a folder.
    private static func named(_ cell: Substring?) -> Set<String> {
        let parts = (cell ?? "").split(separator: "`", omittingEmptySubsequences: false)
        return Set(
            parts.indices.filter { $0 % 2 == 1 }.compactMap { parts[$0].split(separator: "/").last.map(String.init) })
    }

    // MARK: the checks themselves

    private static func graph(_ files: [String: String]) -> RoomGraph {
        RoomGraph(
            files.sorted { $0.key < $1.key }.map { TextFile(path: "S/\($0.key)", language: .swift, text: $0.value) },
            root: "S")
    }

    @Test func aCircleOfTwoIsFound() {
        let graph = Self.graph([
            "A/One.swift": "struct One {\n    var two: Two?\n}\n",
            "B/Two.swift": "final class Two { let one = [One]() }\n",
            "C/Three.swift": "enum Three { static let one = One() }\n",
        ])
        #expect(
            graph.circles.map(\.description) == [
                "S/A/One.swift:2: `A` uses `B`: Two", "S/B/Two.swift:1: `B` uses `A`: One",
            ])
    }

    @Test func aCircleOfThreeIsFound() {
        let graph = Self.graph([
            "A/One.swift": "struct One { let two: Two }", "B/Two.swift": "protocol Two { func three() -> Three }",
            "C/Three.swift": "typealias Three = Int\nfunc three() { one() }", "A/F.swift": "func one() {}",
        ])
        #expect(graph.circles.map { $0.from + $0.to } == ["AB", "BC", "CA"])
    }

    /// Names in comments and strings, members, names of a file's own, and labels are no uses.
    @Test func whatIsNoUseIsNone() {
        let graph = Self.graph([
            "A/One.swift": "struct One {}\nfunc check() {}\nprivate struct Hidden {}",
            "B/Two.swift": "/* One /* One */ One */ // One\nlet two = \"One \\(Two()) \\\"One\" + #\"One\"One\"#\n",
            "C/Three.swift": "struct Three { enum One {}; let one: One }\n", "D/Four.swift": "let four = Other.One\n",
            "E/Five.swift": "func five(check: Bool) { five(check: check); self.check() }\nstruct Hidden {}\n",
            "F/Six.swift": "let six = Hidden()\nlet text = \"\"\"\n One \"One\"\n \\(check())\n\"\"\"\n",
        ])
        #expect(graph.uses.mapValues { $0.keys.sorted() } == ["F": ["A", "E"]])
    }

    @Test func theTableMustAgree() {
        let graph = Self.graph([
            "A/One.swift": "struct One {}", "B/Two.swift": "struct Two { let one: One }",
            "C/Three.swift": "struct Three { let two: Two }",
        ])
        let head = "| Room | For | Uses |\n| --- | --- | --- |\n"
        func problems(_ rows: String) -> [String] { Self.problems(ofTableIn: "Text\n\n" + head + rows, graph: graph) }
        #expect(problems("| `A` | one | – |\n| `B/` | `x` | `A` |\n| `C` | three | `B` |\n").isEmpty)
        #expect(
            problems("| `A` | one | `C` |\n| `B` | two | |\n| `Gone` | | |\n\nText\n") == [
                "`Gone`: no such folder; delete the row", "`A`: last column: nothing (`–`) (`A` doesn't use `C`)",
                "`B`: last column: `A` (S/B/Two.swift:1: `B` uses `A`: One)",
                "`C`: has no row; its last column: `B`",
            ])
        #expect(Self.problems(ofTableIn: "no table", graph: graph).count == 3)
    }
}
