// What a shell can offer for the value of an option or an operand, read off the way in which --help writes the value:
// `relay|inherit`, `auto|N`, `FILE`.

enum CompletedValue: Equatable {
    case words([String])
    case file
    case directory
    case user
    case group
    /// The name of a daemon that runs.
    case daemon
    /// Nothing but what the user knows.
    case free

    init(_ value: String) {
        switch value {
        case "FILE", "PATH": self = .file
        case "DIR": self = .directory
        case "GROUP": self = .group
        case "USER[:GROUP]": self = .user
        default:
            let words = value.split(separator: "|").map { String($0) }.filter { word in
                word.utf8.allSatisfy { UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 }
            }
            self = words.isEmpty ? .free : .words(words)
        }
    }

    /// nil: the option takes no value.
    init?<Target>(of option: CommandOption<Target>) {
        guard let value = option.value else { return nil }
        self = option.group == .contact && value == "NAME" ? .daemon : CompletedValue(value)
    }
}
