import Testing

@testable import Supervisor
@testable import reloaderd

/// The manual, the README and --help say the same as the table of options.
@Suite struct CommandDocumentsTests {
    /// What a document says of one option.
    struct Entry: Equatable, CustomStringConvertible {
        /// `--workers auto|N`, `--no-share[=ADDRESS]`.
        var synopsis: String
        var defaultText: String?

        var description: String { "\(synopsis) [\(defaultText ?? "")]" }
    }

    private let table = Option.all.map { Entry(synopsis: $0.synopsis, defaultText: $0.defaultText) }

    private func lines(of file: String) throws -> [Substring] {
        let contents = try fileContents("\(Products.package)/\(file)", bytesMax: 1 << 20)
        return String(decoding: contents, as: UTF8.self).split(separator: "\n")
    }

    @Test func namesAreDifferent() {
        #expect(Set(Option.all.map { $0.name }).count == Option.all.count)
        let letters = Option.all.compactMap { $0.short }
        #expect(Set(letters).count == letters.count)
    }

    /// A default, given as a value, changes nothing: so it is what the daemon really does without the option.
    @Test func defaultsAreWhatTheSettingsHold() throws {
        for option in Option.all {
            guard let text = option.defaultText else { continue }
            var draft = Draft(users: UserDatabase())
            try option.apply(text, &draft)
            #expect(draft.settings == Settings(), "--\(option.name) \(text)")
        }
    }

    /// As the manual and the README have it.
    @Test func fourStandOnTheCommandLineOnly() {
        #expect(Option.all.filter { !$0.isForFiles }.map { $0.name } == ["config", "check", "help", "version"])
    }

    /// The lines of one section, without its heading.
    private func section(_ name: String) throws -> ArraySlice<Substring> {
        let lines = try lines(of: "man/reloaderd.8")
        let start = try #require(lines.firstIndex(of: ".Sh \(name)")) + 1
        let end = lines[start...].firstIndex { $0.hasPrefix(".Sh ") } ?? lines.endIndex
        return lines[start..<end]
    }

    /// `.It Fl w , Fl -workers Ar auto|N`, `.It Fl -no-share Ns Op = Ns Ar ADDRESS` … `Default: auto.`
    private func entries(_ lines: some Sequence<Substring>) -> [Entry] {
        var entries: [Entry] = []
        for line in lines {
            if line.hasPrefix(".It "), let range = line.range(ofText: "Fl -") {
                var synopsis = "--" + line[range.upperBound...].replacingText(" Ar ", with: " ")
                if let option = synopsis.range(ofText: " Ns Op = Ns ") {
                    synopsis = "\(synopsis[..<option.lowerBound])[=\(synopsis[option.upperBound...])]"
                }
                entries.append(Entry(synopsis: synopsis))
            } else if line.hasPrefix("Default: "), let last = entries.indices.last {
                entries[last].defaultText = String(line.dropFirst(9).dropLast())
            }
        }
        return entries
    }

    /// The letters in front of options that have one.
    private func letters(_ lines: some Sequence<Substring>) -> [UInt8] {
        lines.filter { $0.hasPrefix(".It Fl ") && !$0.hasPrefix(".It Fl -") }.compactMap { $0.dropFirst(7).utf8.first }
    }

    @Test func manualAgrees() throws {
        #expect(try entries(section("OPTIONS")) == table)
        #expect(try letters(section("OPTIONS")) == Option.all.compactMap { $0.short })
    }

    /// Each verb has its part, with how it is written and its own options; those of all verbs stand before.
    @Test func manualAgreesOnVerbs() throws {
        let parts = try section("VERBS").split(omittingEmptySubsequences: false) { $0.hasPrefix(".Ss ") }
        let headings = try section("VERBS").filter { $0.hasPrefix(".Ss ") }.map { String($0.dropFirst(4)) }
        #expect(headings == Verb.all.map { $0.name })
        let common = VerbOptions.contact + VerbOptions.help
        #expect(entries(try #require(parts.first)) == common.map { Entry(synopsis: $0.synopsis) })
        for (verb, part) in zip(Verb.all, parts.dropFirst()) {
            #expect(part.first == ".Dl reloaderd \(verb.name) \(verb.synopsis)")
            let own = verb.options.filter { option in !common.contains { $0.name == option.name } }
            #expect(entries(part) == own.map { Entry(synopsis: $0.synopsis) }, "\(verb.name)")
            #expect(letters(part) == own.compactMap { $0.short }, "\(verb.name)")
        }
    }

    /// | `scale N\|+N\|-N` | … |
    @Test func readmeAgreesOnVerbs() throws {
        let lines = try lines(of: "README.md")
        let start = try #require(lines.firstIndex(of: "| verb | |")) + 2
        let rows = lines[start...].prefix { $0.hasPrefix("| ") }.map { String($0).replacingText("\\|", with: "|") }
        #expect(
            rows
                == Verb.all.map { verb in
                    let operands = verb.synopsis.dropFirst("[OPTIONS]".count)
                    return "| `\(verb.name)\(operands)` | \(verb.summary) |"
                })
    }

    @Test func helpListsTheVerbs() throws {
        let help = try CommandRun.reloaderd(["--help"]).output
        for verb in Verb.all { #expect(help.contains("\n  \(padded(verb.name, 12))\(verb.summary)\n")) }
    }

    /// What the protocol's page has of each verb, to the argument.
    @Test func protocolPageKnowsEachVerb() throws {
        let lines = try lines(of: "man/reloaderd-control.7")
        let headings = lines.filter { $0.hasPrefix(".Ss ") }.flatMap {
            $0.dropFirst(4).replacingText(",", with: "").split(separator: " ")
        }
        // Those ask no daemon for anything of their own.
        for verb in Verb.all where !["list", "doctor", "completion"].contains(verb.name) {
            #expect(headings.contains { $0 == verb.name }, "\(verb.name)")
        }
    }

    /// | `--workers auto\|N` | `auto` | … |
    @Test func readmeAgrees() throws {
        let entries = try lines(of: "README.md").filter { $0.hasPrefix("| `--") }.map { line in
            let cells = String(line).replacingText("\\|", with: "\u{1}").split(separator: "|").map { cell in
                String(cell.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()).replacingText(
                    "\u{1}", with: "|")
            }
            let defaultText = cells[1].isEmpty ? nil : String(cells[1].dropFirst().dropLast())
            return Entry(synopsis: String(cells[0].dropFirst().dropLast()), defaultText: defaultText)
        }
        #expect(entries == table)
    }

    @Test func helpAgrees() throws {
        let help = try CommandRun.reloaderd(["--help"])
        #expect(help.status == 0)
        #expect(help.errors.isEmpty)
        let lines = help.output.split(separator: "\n")
        for line in lines { #expect(line.count <= 80, "\(line)") }
        var entries: [Entry] = []
        for line in lines {
            if line.hasPrefix("  "), let range = line.prefix(8).range(ofText: "--") {
                // Explanations begin at a column, after two blanks at least or on the next line.
                let rest = line[range.lowerBound...]
                let end = rest.range(ofText: "  ")?.lowerBound ?? rest.endIndex
                entries.append(Entry(synopsis: String(rest[..<end]).replacingText(" ...", with: "")))
            }
            if line.hasSuffix("]"), let open = line.lastIndex(of: "["), let last = entries.indices.last {
                entries[last].defaultText = String(line[line.index(after: open)...].dropLast())
            }
        }
        #expect(entries == table)
    }

    @Test func versionIsPrinted() throws {
        for option in ["--version", "-V"] {
            let run = try CommandRun.reloaderd([option, "ignored"])
            #expect(run.status == 0)
            #expect(run.output == "reloaderd \(version)\n")
        }
    }
}

extension StringProtocol {
    fileprivate func range(ofText text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }

    fileprivate func replacingText(_ text: String, with other: String) -> String {
        var result = ""
        var rest = Substring(self)
        while let range = rest.range(ofText: text) {
            result += rest[..<range.lowerBound] + other
            rest = rest[range.upperBound...]
        }
        return result + rest
    }
}
