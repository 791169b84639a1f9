// A target for each parser of input from outside, in process and so fast: no trap, errors in one line, and the same
// meaning however the input is cut.
import Foundation
import Testing

@testable import Supervisor
@testable import reloaderd

@Suite struct ParserFuzzTests {
    private let users = UserDatabase(passwdPath: "/nonexistent", groupPath: "/nonexistent")

    private func complaint(_ message: String, prefix: String = "") -> String? {
        let breaks = message.unicodeScalars.contains { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) }
        if message.isEmpty || breaks { return "an error that is not one line" }
        if message.utf8.count > 4000 { return "an error of \(message.utf8.count) bytes" }
        return message.hasPrefix(prefix) ? nil : "an error without \(prefix)"
    }

    @Test func controlRequests() throws {
        var fuzzer = try Fuzzer("control")
        var accepted = 0
        try fuzzer.run { input in
            do throws(ControlError) {
                _ = try ControlRequest(input[...])
                accepted += 1
            } catch { return complaint(error.message) }
            return nil
        }
        #expect(accepted > 20, "the inputs are too wild to test much")
    }

    /// What is read and written is read as the same.
    @Test func jsonValues() throws {
        for corpus in ["control", "history"] {
            var fuzzer = try Fuzzer(corpus)
            try fuzzer.run { input in
                guard let value = try? JSON(parsing: input[...]) else { return nil }
                guard let again = try? JSON(parsing: value.line[...]) else { return "writes what it does not read" }
                return again == value ? nil : "reads another value than it wrote"
            }
        }
    }

    /// What is read and written is read as the same: so no bytes have two meanings.
    @Test func stateRows() throws {
        var fuzzer = try Fuzzer("state")
        var accepted = 0
        try fuzzer.run { input in
            do throws(StateError) {
                let rows = try StateFormat.read(input)
                if try StateFormat.read(StateFormat.write(rows)) != rows { return "reads other rows than it wrote" }
                for row in rows { _ = try StateDecoder.decode(SampleState.self, from: row.bytes) }
                accepted += 1
            } catch { if let wrong = complaint(error.description) { return wrong } }
            do throws(StateError) {
                _ = try StateDecoder.decode(SampleState.self, from: input)
                let value = try StateValue(input)
                if try StateValue(value.written).written != value.written { return "reads another value than it wrote" }
                accepted += 1
            } catch { return complaint(error.description) }
            return nil
        }
        #expect(accepted > 20, "the inputs are too wild to test much")
    }

    @Test func notifyDatagrams() throws {
        var fuzzer = try Fuzzer("messages")
        try fuzzer.run { input in
            for line in input.prefix(NotifySocket.datagramBytesMax).split(separator: UInt8(ascii: "\n")) {
                if let wrong = WorkerMessage(line: line, emptyMeansReady: false).flatMap({ complaint($0) }) {
                    return wrong
                }
            }
            return nil
        }
    }

    /// However a pipe cuts what is written to it.
    @Test func readyLines() throws {
        var fuzzer = try Fuzzer("messages")
        var random = SeededGenerator(seed: 9)
        try fuzzer.run { input in
            func messages(chunk: Int) -> [WorkerMessage] {
                var splitter = LineSplitter()
                var messages: [WorkerMessage] = []
                for start in stride(from: 0, to: input.count, by: chunk) {
                    input[start..<min(input.count, start + chunk)].withUnsafeBytes { bytes in
                        splitter.feed(bytes) { line in
                            if let message = WorkerMessage(line: line, emptyMeansReady: true) {
                                messages.append(message)
                            }
                        }
                    }
                }
                return messages
            }
            let whole = messages(chunk: max(1, input.count))
            let cut = messages(chunk: Int.random(in: 1...9, using: &random))
            return whole == cut ? whole.lazy.compactMap { complaint($0) }.first : "another meaning in pieces"
        }
    }

    private func complaint(_ message: WorkerMessage) -> String? {
        switch message {
        case .status(let text) where text.utf8.count > 3 * WorkerMessage.statusBytesMax: "a status that is too long"
        case .extendTimeout(let time) where time <= .zero: "no time to extend by"
        default: nil
        }
    }

    @Test func options() throws {
        var fuzzer = try Fuzzer("options", rounds: 2000)
        try fuzzer.run { input in
            let words = String(decoding: input, as: UTF8.self).split(separator: " ").map(String.init)
            let reading = readSettings(arguments: words, startDirectory: "/nonexistent", users: users)
            return reading.problems.lazy.compactMap { complaint($0.description) }.first
        }
    }

    @Test func configFiles() throws {
        var fuzzer = try Fuzzer("config")
        try fuzzer.run { input in
            let file = ConfigFile(contents: input, path: "/etc/fuzz.conf")
            for occurrence in file.occurrences.prefix(20) { _ = "\(occurrence)" }
            return file.problems.lazy.compactMap { complaint($0.description, prefix: "/etc/fuzz.conf:") }.first
        }
    }

    @Test func environmentFiles() throws {
        var fuzzer = try Fuzzer("environment")
        try fuzzer.run { input in
            do throws(ConfigurationError) { _ = try EnvironmentFile.parse(input, path: "/etc/fuzz.env") } catch {
                return complaint(error.description, prefix: "/etc/fuzz.env:")
            }
            return nil
        }
    }

    @Test func historyFiles() throws {
        let folder = try TestFolder()
        var fuzzer = try Fuzzer("history", rounds: 1000)
        try fuzzer.run { input in
            let path = try folder.write("history.json", input)
            chmod(path, 0o600)
            var history = DeployHistory(path: path)
            do throws(FileReadError) { try history.load() } catch { return complaint(error.description) }
            guard case .array(let entries) = history.last(1000, changed: { _ in [] }) else { return "no list" }
            return entries.contains { $0["outcome"] == .null } ? "an entry without an outcome" : nil
        }
    }
}
