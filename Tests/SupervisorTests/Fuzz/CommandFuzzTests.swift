import Testing

@testable import Supervisor
@testable import reloaderd

/// Random input, in the same order each time: no crash, and every error one line that is not too long.
@Suite struct CommandFuzzTests {
    private static let rounds = 10_000
    private static let pieces =
        Option.all.flatMap { ["--\($0.name)", $0.name, "--\($0.name)="] }
        + [
            "-", "--", "-w", "-l8", "=", ":", "/", "%", " ", "\t", "\n", "\r", "\0", "\"", "'", "\\", "#", ";", "@",
            "[", "]", "0", "9",
            "auto", "unix:", "udp:", "[::1]:80", "18446744073709551615", "30s", "5/1m", "nofile=1:2", "root", "A=",
            "export ", "é",
            "\u{301}", "\u{2028}", "\u{202E}", "🙂", "\u{FEFF}", "unlimited", "TERM", "65536", "-1", "x", "READY_FD",
        ]

    private func word(_ random: inout SeededGenerator) -> String {
        (0..<Int.random(in: 0...6, using: &random)).map { _ in Self.pieces.randomElement(using: &random) ?? "" }
            .joined()
    }

    private func bytes(_ random: inout SeededGenerator) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<Int.random(in: 0...12, using: &random) {
            bytes += word(&random).utf8
            if Bool.random(using: &random) { bytes.append(UInt8(ascii: "\n")) }
            if Int.random(in: 0..<8, using: &random) == 0 { bytes.append(UInt8.random(in: 0...255, using: &random)) }
        }
        return bytes
    }

    private func isOneLine(_ error: ConfigurationError) -> Bool {
        let text = error.description
        let breaks = text.unicodeScalars.contains { scalar in
            scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
                || [0x2028, 0x2029, 0x202E].contains(scalar.value)
        }
        return !text.isEmpty && !breaks && text.utf8.count < 4000
    }

    @Test func argumentsNeverCrash() {
        var random = SeededGenerator(seed: 3)
        let users = UserDatabase(passwdPath: "/nonexistent", groupPath: "/nonexistent")
        var accepted = 0
        for round in 0..<Self.rounds {
            let words = (0..<Int.random(in: 0...8, using: &random)).map { _ in word(&random) }
            let reading = readSettings(arguments: words, startDirectory: "/nonexistent", users: users)
            if reading.problems.isEmpty { accepted += 1 }
            for problem in reading.problems where !isOneLine(problem) { Issue.record("round \(round): \(words)") }
        }
        // Both ends are reached, or the words would be too wild to test much.
        #expect(accepted > 20 && accepted < Self.rounds)
    }

    @Test func valuesNeverCrash() {
        var random = SeededGenerator(seed: 4)
        let users = UserDatabase(passwdPath: "/nonexistent", groupPath: "/nonexistent")
        for round in 0..<Self.rounds {
            let option = Option.all[round % Option.all.count]
            let value = word(&random)
            var draft = Draft(users: users)
            do throws(ConfigurationError) { try option.apply(value, &draft) } catch {
                if !isOneLine(error) { Issue.record("round \(round): --\(option.name)=\(value)") }
            }
        }
    }

    @Test func configFilesNeverCrash() {
        var random = SeededGenerator(seed: 5)
        for round in 0..<Self.rounds {
            let contents = bytes(&random)
            let file = ConfigFile(contents: contents, path: "/etc/fuzz.conf")
            let lines = contents.count { $0 == UInt8(ascii: "\n") } + 1
            #expect(file.occurrences.count + file.problems.count <= lines, "round \(round)")
            for problem in file.problems
            where !isOneLine(problem) || !problem.description.hasPrefix("/etc/fuzz.conf:") {
                Issue.record("round \(round): \(problem)")
            }
        }
    }

    @Test func environmentFilesNeverCrash() {
        var random = SeededGenerator(seed: 6)
        var accepted = 0
        for round in 0..<Self.rounds {
            do throws(ConfigurationError) {
                let changes = try EnvironmentFile.parse(bytes(&random), path: "/etc/fuzz.env")
                accepted += changes.isEmpty ? 0 : 1
            } catch {
                let isFine = isOneLine(error) && error.description.hasPrefix("/etc/fuzz.env:")
                if !isFine { Issue.record("round \(round): \(error)") }
            }
        }
        #expect(accepted > 20)
    }
}
