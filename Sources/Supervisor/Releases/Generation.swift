// One launchable version of the program: argv, environment, working directory and executable, all pinned when it is
// made.
internal import Glibc

/// Made at the start and at each reload; lives until the core releases it.
final class Generation {
    let number: Int
    let program: Program
    /// The signal that asks its workers to finish. An older version may expect another signal than the newest.
    let stopSignal: Int32
    let directory: FileDescriptor
    let executable: Executable
    let arguments: CStrings
    let environment: CStrings
    private let namedFiles: NamedFiles
    /// What people call the generation.
    var note: String?
    /// When it was made, on the wall clock, for people.
    let madeAt: timespec

    /// - Parameter inherited: the daemon's own environment, without what was meant for the daemon alone.
    /// - Throws: what is missing or unusable, in words for the user.
    init(number: Int, settings: Settings, inherited: Environment) throws(GenerationError) {
        let program = settings.program
        self.number = number
        madeAt = WallClock.now()
        stopSignal = settings.stopSignal
        self.program = program
        directory = try Self.openDirectory(program.workingDirectory)
        let environment = try Self.environment(of: program, inherited: inherited, directory: directory)
        executable = try Executable(program.path, directory: directory, searchPath: environment["PATH"])
        self.environment = CStrings(environment.strings)
        namedFiles = NamedFiles(program.arguments, in: directory)
        arguments = CStrings(([program.path] + program.arguments).map { Array($0.utf8) })
    }

    // MARK: for the daemon that comes next

    static let keyPrefix = "generation/"
    static func key(_ number: Int) -> String { "\(keyPrefix)\(number)" }

    struct State: Codable {
        let program: Program
        let stopSignal: Int32
        let directory: RowDescriptors.Place
        let executable: Executable.State
        let arguments: [[UInt8]]
        let environment: [[UInt8]]
        let namedFiles: NamedFiles
        let note: String?
        let madeAt: timespec
    }

    func row() throws(StateError) -> StateRow {
        var descriptors = RowDescriptors()
        let state = State(
            program: program, stopSignal: stopSignal, directory: descriptors.add(directory.number),
            executable: executable.state(&descriptors), arguments: arguments.strings, environment: environment.strings,
            namedFiles: namedFiles, note: note, madeAt: madeAt)
        return try StateRow(Self.key(number), state, descriptors)
    }

    init(_ rows: StateRows, _ number: Int) throws(StateError) {
        let key = Self.key(number)
        let state = try rows.value(State.self, key)
        guard (state.arguments + state.environment).allSatisfy({ !$0.contains(0) }) else {
            throw .malformed("an argument or a variable of generation \(number) has a NUL byte")
        }
        self.number = number
        program = state.program
        stopSignal = state.stopSignal
        directory = try rows.descriptor(state.directory, of: key)
        executable = try Executable(state.executable, of: key, in: rows)
        arguments = CStrings(state.arguments)
        environment = CStrings(state.environment)
        namedFiles = state.namedFiles
        note = state.note
        madeAt = state.madeAt
    }

    /// Files that have changed since this generation was made, as a worker that starts now would find them.
    var changedFiles: [String] {
        (executable.isChanged ? [program.path] : []) + namedFiles.changed(in: directory)
    }

    /// - Parameter path: nil: the working directory of this process, which may have been deleted since its start.
    private static func openDirectory(_ path: String?) throws(GenerationError) -> FileDescriptor {
        let name = path ?? "."
        do throws(SystemError) {
            let directory = FileDescriptor(
                owning: try checked("open", name) { open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) })
            let number = directory.number
            var status = stat()
            try checked("fstat", name) { fstat(number, &status) }
            if status.st_nlink == 0 { throw SystemError(call: "open", errno: ENOENT, subject: name) }
            return directory
        } catch {
            throw path == nil && error.isMissing ? .startDirectoryDeleted : .workingDirectory(path: name, error)
        }
    }

    private static func environment(
        of program: Program, inherited: Environment, directory: borrowing FileDescriptor
    ) throws(GenerationError) -> Environment {
        var environment = inherited
        if program.workingDirectory != nil, let path = pathOfDescriptor(directory.number) {
            environment.set("PWD", to: path)
        }
        if let user = program.user { setUser(user, in: &environment) }
        for file in program.environmentFiles {
            for change in try readEnvironmentFile(file) { environment.apply(change) }
        }
        for change in program.environment { environment.apply(change) }
        return environment
    }

    /// Sets the variables that describe the user, and removes the daemon's own if workers run as another user: they
    /// would be wrong.
    private static func setUser(_ user: UserChoice, in environment: inout Environment) {
        for (variable, value) in [("USER", user.name), ("LOGNAME", user.name), ("HOME", user.home)] {
            if let value {
                environment.set(variable, to: value)
            } else if user.userID != geteuid() {
                environment.remove(variable)
            }
        }
    }

    private static func readEnvironmentFile(_ path: String) throws(GenerationError) -> [EnvironmentChange] {
        do throws(ConfigurationError) { return try EnvironmentFile.read(path) } catch {
            throw .environmentFile(error.description)
        }
    }
}

/// Strings in the form that execve(2) takes. Their addresses are valid as long as this object lives.
final class CStrings {
    /// Pointers to the strings, without a NULL at the end.
    private(set) var pointers: [UnsafeMutablePointer<CChar>?] = []

    init(_ strings: [[UInt8]]) {
        pointers.reserveCapacity(strings.count + 1)
        for string in strings { append(string) }
    }

    /// Without their NUL bytes.
    var strings: [[UInt8]] {
        pointers.compactMap { $0 }.map { string in
            UnsafeBufferPointer(start: string, count: strlen(string)).map { UInt8(bitPattern: $0) }
        }
    }

    func append(_ bytes: [UInt8]) {
        let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
        for (index, byte) in bytes.enumerated() { copy[index] = CChar(bitPattern: byte) }
        copy[bytes.count] = 0
        pointers.append(copy)
    }

    deinit {
        for pointer in pointers { pointer?.deallocate() }
    }
}

/// Why no generation could be made of the program. The error ends the daemon at its start, and refuses a reload.
public enum GenerationError: Error, Equatable, Sendable, CustomStringConvertible {
    case programMissing(path: String, searched: String?)
    case programRefused(path: String, SystemError)
    case workingDirectory(path: String, SystemError)
    /// The daemon was started in a directory that was deleted, and no other was named.
    case startDirectoryDeleted
    case environmentFile(String)
    case system(SystemError)

    public var description: String {
        switch self {
        case .programMissing(let path, let searched?):
            "cannot start \(printable(path)): no such program in PATH (\(printable(searched)))"
        case .programMissing(let path, nil):
            "cannot start \(printable(path)): No such file or directory"
        case .programRefused(let path, let error):
            error.errno == EACCES
                ? "cannot start \(printable(path)): \(error.reason) (is it an executable file, for the user that "
                    + "workers run as?)"
                : "cannot start \(printable(path)): \(error.reason)"
        case .workingDirectory(let path, let error):
            "cannot use the working directory \(printable(path)): \(error.reason)"
        case .startDirectoryDeleted:
            "the working directory in which reloaderd was started was deleted (restart reloaderd in a directory that "
                + "exists, or name one with --chdir)"
        case .environmentFile(let message):
            message
        case .system(let error):
            "cannot prepare the program: \(error)"
        }
    }

    /// The exit status that a shell would use: 127 if the program was not found, 126 if it cannot be run, 1 for the
    /// rest.
    public var exitStatus: Int32 {
        switch self {
        case .programMissing: 127
        case .programRefused: 126
        case .workingDirectory, .startDirectoryDeleted, .environmentFile, .system: 1
        }
    }
}

/// Returns why no generation could be made of these settings now; nil: one could. Starts nothing.
public func problem(with settings: Settings) -> GenerationError? {
    do throws(GenerationError) {
        _ = try Generation(number: 1, settings: settings, inherited: Environment.inherited().withoutOuterSupervisor())
        return nil
    } catch { return error }
}

extension Environment {
    mutating func apply(_ change: EnvironmentChange) {
        if let value = change.value { set(change.name, to: value) } else { remove(change.name) }
    }
}
