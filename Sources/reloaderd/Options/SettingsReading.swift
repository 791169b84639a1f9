// From words to settings: reads the command line and the config file that it names, and combines the two.
import Glibc
import Reloader
import Supervisor

/// The task that the command line gives.
enum ParsedCommandLine {
    case run(Settings)
    case check(Settings)
    case help
    case version

    /// The settings of a run or a check; the defaults for --help and --version, which need none.
    var settings: Settings {
        switch self {
        case .run(let settings), .check(let settings): settings
        case .help, .version: Settings()
        }
    }
}

/// Everything that was read, and every problem with it.
struct SettingsReading {
    var action: Draft.Action
    /// Complete only if there are no problems.
    var settings: Settings
    /// First those of the command line, then those of the config file, each in their order.
    var problems: [ConfigurationError]
}

/// Reads the command line, and the config file as it is now. Changes nothing, and is called again at each reload.
///
/// - Parameters:
///   - arguments: the words after the name of the command.
///   - startDirectory: the directory in which the daemon was started; relative paths always start there.
/// - Throws: the first problem.
func loadSettings(
    arguments: [String], startDirectory: StartDirectory, users: UserDatabase = UserDatabase()
) throws(ConfigurationError) -> ParsedCommandLine {
    let reading = readSettings(arguments: arguments, startDirectory: startDirectory, users: users)
    switch reading.action {
    case .help: return .help
    case .version: return .version
    case .run, .check: break
    }
    if let first = reading.problems.first { throw first }
    return reading.action == .check ? .check(reading.settings) : .run(reading.settings)
}

/// As `loadSettings`, with every problem instead of the first.
func readSettings(
    arguments words: [String], startDirectory: StartDirectory, users: UserDatabase = UserDatabase()
) -> SettingsReading {
    let arguments = Arguments(words)
    // First the command line alone: it names the config file.
    var (draft, problems) = applied(arguments.occurrences, to: Draft(users: users))
    if let problem = arguments.problem { problems.append(problem) }

    if let path = draft.configFile, draft.action == .run || draft.action == .check {
        let file = ConfigFile(path: startDirectory.absolute(path))
        // The whole file is checked, including options that the command line overrides.
        let (_, fileProblems) = applied(file.occurrences, to: Draft(users: users))
        problems += file.problems + fileProblems
        let overriding = Set(arguments.occurrences.map { $0.option.name })
        let base = applied(file.occurrences.filter { !overriding.contains($0.option.name) }, to: Draft(users: users))
            .draft
        draft = applied(arguments.occurrences, to: base).draft
    }
    if let path = arguments.program.first, !path.isEmpty {
        draft.settings.program.path = path
        draft.settings.program.arguments = Array(arguments.program.dropFirst())
    } else if arguments.problem == nil {
        problems.append(ConfigurationError("no program to run: reloaderd [OPTIONS] PROGRAM [ARG...]"))
    }
    startDirectory.anchor(&draft.settings.program)
    problems += draft.settle()
    return SettingsReading(action: draft.action, settings: draft.settings, problems: problems)
}

/// `draft` with all occurrences applied, and the problems with them.
private func applied(_ occurrences: [Occurrence], to draft: Draft) -> (draft: Draft, problems: [ConfigurationError]) {
    var draft = draft
    var problems: [ConfigurationError] = []
    var counts: [String: Int] = [:]
    for occurrence in occurrences {
        let count = counts[occurrence.option.name, default: 0] + 1
        counts[occurrence.option.name] = count
        if count > Bounds.repeatsMax {
            let problem = ConfigurationError("given more than \(Bounds.repeatsMax) times").at(occurrence.place)
            return (draft, problems + [problem])
        }
        do throws(ConfigurationError) {
            try occurrence.option.apply(occurrence.value, &draft)
        } catch { problems.append(error.at(occurrence.place)) }
    }
    return (draft, problems)
}

/// The directory in which the daemon was started, by the name that its user knows: if `current` is a link in
/// `cd current && reloaderd ./app`, a reload follows the link to the new release.
struct StartDirectory: ExpressibleByStringLiteral {
    /// Empty if the kernel cannot tell because the directory was removed: relative paths then stay relative.
    let path: String
    /// Whether `path` is the user's name for the directory, which may lead to another one later.
    let isNamed: Bool

    init(_ path: String, isNamed: Bool = false) {
        self.path = path
        self.isNamed = isNamed
    }

    init(stringLiteral path: String) { self.init(path) }

    /// That of a daemon which this program goes on for.
    init(_ place: LaunchPlace) { self.init(place.directory, isNamed: place.isNamed) }

    var launch: LaunchPlace { LaunchPlace(directory: path, isNamed: isNamed) }

    /// The directory of this process: by PWD, if that leads here, else by the kernel.
    static func current() -> StartDirectory {
        if let name = getenv("PWD"), let path = String(validatingCString: name), leadsHere(path) {
            return StartDirectory(path, isNamed: true)
        }
        guard let path = getcwd(nil, 0) else { return StartDirectory("") }
        defer { free(path) }
        return StartDirectory(String(cString: path))
    }

    private static func leadsHere(_ path: String) -> Bool {
        var named = stat()
        var here = stat()
        return path.utf8.first == UInt8(ascii: "/") && stat(path, &named) == 0 && stat(".", &here) == 0
            && named.st_dev == here.st_dev && named.st_ino == here.st_ino
    }

    func absolute(_ relative: String) -> String {
        if relative.utf8.first == UInt8(ascii: "/") || path.isEmpty { return relative }
        return path.utf8.last == UInt8(ascii: "/") ? path + relative : "\(path)/\(relative)"
    }

    /// Makes the paths that each reload reads again follow the name, too.
    func anchor(_ program: inout Program) {
        program.environmentFiles = program.environmentFiles.map(absolute)
        program.workingDirectory = program.workingDirectory.map(absolute) ?? (isNamed ? path : nil)
    }
}
