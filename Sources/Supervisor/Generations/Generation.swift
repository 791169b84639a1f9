// One launchable version of the program: argv, environment, working directory and executable, all pinned when it is
// made.
internal import Glibc

/// Made at the start and at each reload; lives until the core releases it.
final class Generation {
    let number: Int
    let program: Program
    /// What asks its workers to finish: an older version may know another signal than the newest.
    let stopSignal: Int32
    let directory: FileDescriptor
    let executable: Executable
    let arguments: CStrings
    let environment: CStrings
    private let namedFiles: NamedFiles
    /// What people call it.
    var note: String?
    /// On the wall clock, for people.
    let madeAt: timespec

    /// - Parameter inherited: the daemon's own environment, without what was meant for the daemon alone.
    /// - Throws: what is missing or not to be used, in words for the user.
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

    /// Files that a worker started now would find in another state than when this generation was made.
    var changedFiles: [String] {
        (executable.isChanged ? [program.path] : []) + namedFiles.changed(in: directory)
    }

    /// - Parameter path: nil: that of this process, which may have been deleted since.
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

    /// Of somebody else the daemon's own variables say nothing true.
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
