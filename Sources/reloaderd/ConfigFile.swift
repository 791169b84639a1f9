// The file of --config: one long option a line, without the dashes, its value after blanks.
//
//     # web.conf: lines that begin with # are comments
//     listen 8080
//     workers 4
//     pin
import Supervisor

/// What a config file says, and what is wrong with it.
struct ConfigFile {
    private(set) var occurrences: [Occurrence] = []
    private(set) var problems: [ConfigurationError] = []

    /// Reads the file at `path`, all lines of it, whatever is wrong with some.
    init(path: String) {
        do throws(FileReadError) {
            let contents = try fileContents(path, bytesMax: Bounds.configFileBytesMax)
            self.init(contents: contents, path: path)
        } catch {
            self.init(contents: [], path: path)
            problems = [ConfigurationError("config file: \(error)")]
        }
    }

    /// As `init(path:)`, of a file with these `contents`; `path` is for messages.
    init(contents: [UInt8], path: String) {
        // Where an option was first seen, to refuse a second one: in a file that is always a slip.
        var firstLines: [String: Int] = [:]
        let lines = contents.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, bytes) in lines.enumerated() {
            let place = "\(printable(path)):\(index + 1)"
            do throws(ConfigurationError) {
                guard let line = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
                    throw ConfigurationError("not UTF-8 text")
                }
                guard let occurrence = try Self.occurrence(trimmed(line), place: place) else { continue }
                let name = occurrence.option.name
                if let first = firstLines[name], !occurrence.option.isRepeatable {
                    throw ConfigurationError("\(name) stands on line \(first) already")
                }
                firstLines[name] = firstLines[name] ?? index + 1
                occurrences.append(occurrence)
            } catch { problems.append(error.at(place)) }
        }
    }

    /// nil for a comment or an empty line.
    private static func occurrence(_ line: String, place: String) throws(ConfigurationError) -> Occurrence? {
        guard let first = line.utf8.first, first != UInt8(ascii: "#") else { return nil }
        let end = line.utf8.firstIndex(where: isBlank) ?? line.endIndex
        let name = String(line[..<end])
        let value = trimmed(String(line[end...]))
        guard let option = Option.named(name) else { throw unknown(name) }
        guard option.isForFiles else { throw ConfigurationError("\(name) can only be given on the command line") }
        if option.value == nil {
            guard value.isEmpty else {
                throw ConfigurationError("\(name) takes no value, and \(quoted(value)) follows it")
            }
        } else {
            guard !value.isEmpty || option.isValueOptional else {
                throw ConfigurationError("\(name) needs a value: \(name) \(option.value ?? "")")
            }
            if value.utf8.first == UInt8(ascii: "=") {
                throw ConfigurationError("write '\(name) VALUE', without '=' between them")
            }
        }
        return Occurrence(option: option, value: value, place: "\(place): \(name)")
    }

    /// Habits from other files are named for what they are.
    private static func unknown(_ name: String) -> ConfigurationError {
        if name.utf8.starts(with: "--".utf8), Option.named(name.dropFirst(2)) != nil {
            return ConfigurationError("write \(name.dropFirst(2)) without the dashes")
        }
        if let (known, _) = cut(name, at: UInt8(ascii: "=")), Option.named(known) != nil {
            return ConfigurationError("write '\(known) VALUE', without '=' between them")
        }
        return unknownOption(
            name, nearest: name, among: Option.all.map { $0.name }, prefix: "", helpCommand: "reloaderd --help")
    }
}

private func isBlank(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
}

private func trimmed(_ text: String) -> String {
    let start = text.utf8.drop(while: isBlank)
    guard let last = start.lastIndex(where: { !isBlank($0) }) else { return "" }
    return String(text[start.startIndex...last])
}
