// The file of --config: one long option per line, without the dashes, its value after blanks.
//
//     # web.conf: lines that begin with # are comments
//     listen 8080
//     workers 4
//     pin
import Supervisor

/// The options in a config file, and the problems with it.
struct ConfigFile {
    private(set) var occurrences: [Occurrence] = []
    private(set) var problems: [ConfigurationError] = []

    /// Reads the file at `path`, including the lines after a wrong one.
    init(path: String) {
        do throws(FileReadError) {
            let contents = try fileContents(path, bytesMax: Bounds.configFileBytesMax)
            self.init(contents: contents, path: path)
        } catch {
            self.init(contents: [], path: path)
            problems = [ConfigurationError("config file: \(error)")]
        }
    }

    /// As `init(path:)`, for a file with these `contents`; `path` is for messages.
    init(contents: [UInt8], path: String) {
        // The first line of each option: in a file, a second one is always a mistake.
        var firstLines: [String: Int] = [:]
        let lines = contents.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, bytes) in lines.enumerated() {
            let place = "\(printable(path)):\(index + 1)"
            do throws(ConfigurationError) {
                guard let line = String(validating: trimmed(bytes), as: UTF8.self), !bytes.contains(0) else {
                    throw ConfigurationError("not UTF-8 text")
                }
                guard let occurrence = try Self.occurrence(line, place: place) else { continue }
                let name = occurrence.option.name
                if let first = firstLines[name], !occurrence.option.isRepeatable {
                    throw ConfigurationError("\(name) was given on line \(first) already")
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
        let value = String(Substring(trimmed(line[end...].utf8)))
        guard let option = Option.named(name) else { throw unknown(name) }
        guard option.isForFiles else { throw ConfigurationError("\(name) can only be given on the command line") }
        if option.value == nil {
            guard value.isEmpty else {
                throw ConfigurationError("\(name) takes no value, but \(quoted(value)) follows it")
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

    /// Names the mistakes that come from the syntax of other files.
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
