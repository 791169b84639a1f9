// From words to settings: the command line, the config file that it names, and how the two come together.
import Reloader
import Supervisor

/// What the command line asks for.
enum ParsedCommandLine {
    case run(Settings)
    case check(Settings)
    case help
    case version

    /// The settings of a run or a check; those of a plain start for --help and --version, which need none.
    var settings: Settings {
        switch self {
        case .run(let settings), .check(let settings): settings
        case .help, .version: Settings()
        }
    }
}

/// All that was read, and all that is wrong with it.
struct SettingsReading {
    var action: Draft.Action
    /// Complete only when there are no problems.
    var settings: Settings
    /// In the order of the command line, then of the config file.
    var problems: [ConfigurationError]
}

/// Reads the command line and the config file as it is now. Changes nothing; may be called again at each reload.
///
/// - Parameters:
///   - arguments: the words after the name of the command.
///   - startDirectory: where the daemon was started: relative paths mean files from there, always.
/// - Throws: the first thing that is wrong.
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

/// As `loadSettings`, with everything that is wrong instead of the first thing.
func readSettings(
    arguments words: [String], startDirectory: StartDirectory, users: UserDatabase = UserDatabase()
) -> SettingsReading {
    let arguments = Arguments(words)
    // The command line alone says whether there is a config file, and how its own options stand.
    var (draft, problems) = applied(arguments.occurrences, to: Draft(users: users))
    if let problem = arguments.problem { problems.append(problem) }

    if let path = draft.configFile, draft.action == .run || draft.action == .check {
        let file = ConfigFile(path: startDirectory.absolute(path))
        // All of the file is checked, also what the command line overrides.
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

/// `draft` with all occurrences applied, and what was wrong with some of them.
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
