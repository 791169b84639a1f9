// --check: what would go wrong at a start, as far as can be known without starting a process or opening a port.
import Glibc
import Supervisor

/// The problems that well-formed `settings` would meet on this machine.
func findProblems(_ settings: Settings) -> [ConfigurationError] {
    var problems: [ConfigurationError] = []
    let program = settings.program
    for path in program.environmentFiles {
        do throws(ConfigurationError) {
            _ = try EnvironmentFile.read(path)
        } catch { problems.append(error.at("--env-file")) }
    }
    // Files that cannot be read must not hide other problems.
    var readable = settings
    if !problems.isEmpty { readable.program.environmentFiles = [] }
    // A missing program was reported already.
    if !settings.program.path.isEmpty, let problem = problem(with: readable) {
        problems.append(ConfigurationError(problem.description))
    }
    if problems.isEmpty { problems += programProblems(readable.program) }
    if let problem = settings.pidFile.flatMap(pidFileProblem) { problems.append(problem) }
    if case .file(let path) = settings.output, let problem = outputFileProblem(path, program) {
        problems.append(problem)
    }
    return problems
}

/// One line about `settings` without problems.
func summary(_ settings: Settings) -> String {
    let workers =
        switch settings.workers {
        case .automatic: "workers auto (\(CPUCount.current().automatic) here)"
        case .fixed(let count): "workers \(count)"
        }
    let addresses = settings.listeners.map { printable($0.address.description) }
    let listeners = addresses.isEmpty ? "no listeners" : "listeners \(addresses.joined(separator: ", "))"
    return "\(printable(settings.program.path)): \(workers), \(listeners)"
}

// MARK: files

/// The file must be writable if it exists, else its directory.
private func outputFileProblem(_ path: String, _ program: Program) -> ConfigurationError? {
    var status = stat()
    if stat(path, &status) == 0 {
        if status.st_mode & S_IFMT == S_IFDIR {
            return ConfigurationError("--output: \(printable(path)) is a directory")
        }
        if let problem = outputFileRefusalProblem(path, program) { return problem }
        if faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0 { return nil }
        return ConfigurationError("--output: cannot write to \(printable(path)): \(String(cString: strerror(errno)))")
    }
    guard let reason = accessProblem(directory(of: path), S_IFDIR, W_OK | X_OK) else {
        return outputFileRefusalProblem(path, program)
    }
    return ConfigurationError("--output: cannot write into \(printable(directory(of: path))): \(reason)")
}

private func outputFileRefusalProblem(_ path: String, _ program: Program) -> ConfigurationError? {
    outputFileRefusal(path, program).map { ConfigurationError("--output: cannot use \(printable(path)): \($0)") }
}

private func directory(of path: String) -> String {
    let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    return slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
}

private func pidFileProblem(_ path: String) -> ConfigurationError? {
    let directory = directory(of: path)
    if let reason = accessProblem(directory, S_IFDIR, W_OK | X_OK) {
        return ConfigurationError("--pid-file: cannot write into \(printable(directory)): \(reason)")
    }
    return pidFileRefusal(path).map { ConfigurationError("--pid-file: cannot use \(printable(path)): \($0)") }
}

/// Why `path` is not of this type, or not accessible to the effective user; nil if it is.
private func accessProblem(_ path: String, _ type: mode_t, _ mode: Int32) -> String? {
    var status = stat()
    guard stat(path, &status) == 0 else { return String(cString: strerror(errno)) }
    if status.st_mode & S_IFMT != type { return String(cString: strerror(ENOTDIR)) }
    return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0 ? nil : String(cString: strerror(errno))
}

// MARK: the program

/// Problems that a start would only find when its workers fail. Needs settings of which a generation could be made.
private func programProblems(_ program: Program) -> [ConfigurationError] {
    guard let path = executablePath(of: program) else { return [] }
    var problems: [ConfigurationError] = []
    if let user = program.user, let reason = asUser(user, { faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) }) {
        problems.append(ConfigurationError("--user: user \(user.userID) may not execute \(printable(path)): \(reason)"))
    }
    if let problem = scriptProblem(program) { problems.append(problem) }
    return problems
}

/// nil if the program is looked up in PATH, where this process has found it.
private func executablePath(of program: Program) -> String? {
    if program.path.utf8.first == UInt8(ascii: "/") { return program.path }
    guard program.path.utf8.contains(UInt8(ascii: "/")) else { return nil }
    return "\(program.workingDirectory ?? ".")/\(program.path)"
}

/// Why `call` fails for `user`; nil if it does not, or if this process may not become that user.
///
/// Only as the user itself do all rules apply: groups, access lists, and each directory of the path.
private func asUser(_ user: UserChoice, _ call: () -> Int32) -> String? {
    guard geteuid() == 0, user.userID != 0 else { return nil }
    let groups = [user.groupID] + user.supplementaryGroups
    guard setgroups(groups.count, groups) == 0, setegid(user.groupID) == 0, seteuid(user.userID) == 0 else {
        return nil
    }
    // access(2) checks the real user; faccessat with AT_EACCESS checks the effective one.
    errno = 0
    let failed = call() != 0
    let number = errno
    guard seteuid(0) == 0, setegid(0) == 0 else { return "cannot become root again" }
    return failed ? String(cString: strerror(number)) : nil
}

/// A script that its interpreter would not find.
private func scriptProblem(_ program: Program) -> ConfigurationError? {
    guard isInterpreter(program.path), let script = scriptName(program.arguments) else { return nil }
    let isAbsolute = script.utf8.first == UInt8(ascii: "/")
    let path = isAbsolute ? script : "\(program.workingDirectory ?? ".")/\(script)"
    var status = stat()
    if stat(path, &status) == 0 {
        guard let user = program.user, let reason = asUser(user, { faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) }) else {
            return nil
        }
        return ConfigurationError("--user: user \(user.userID) may not read \(printable(path)): \(reason)")
    }
    return ConfigurationError(
        "cannot find \(printable(path)), the script for \(printable(program.path)): "
            + String(cString: strerror(errno)))
}

/// The first argument if it is not an option. Else the first one with the ending of a script: a word that follows an
/// option may be its value.
private func scriptName(_ arguments: [String]) -> String? {
    guard let first = arguments.first, first != "-" else { return nil }
    if !first.hasPrefix("-") { return first }
    let inline = ["-c", "-e", "-m", "-p", "-r", "--eval", "--print"]
    for argument in arguments {
        if inline.contains(argument) { return nil }
        if !argument.hasPrefix("-"), scriptEndings.contains(where: { argument.hasSuffix($0) }) { return argument }
    }
    return nil
}

private let scriptEndings = [".js", ".mjs", ".cjs", ".ts", ".py", ".rb", ".pl", ".php", ".lua", ".sh", ".jar"]

private func isInterpreter(_ path: String) -> Bool {
    let name = path.split(separator: "/").last.map(String.init) ?? path
    let digits = name.reversed().prefix { $0.isNumber || $0 == "." }.count
    return interpreters.contains(String(name.dropLast(digits)))
}

private let interpreters = [
    "node", "nodejs", "python", "pypy", "ruby", "perl", "php", "lua", "luajit", "sh", "bash", "dash", "zsh", "tclsh",
]

// MARK: ports

/// Ports that other processes hold, and unix sockets whose path depends on the directory of the start.
func listenerProblems(_ settings: Settings) -> [ConfigurationError] {
    relativePathProblems(settings)
        + settings.listeners.compactMap { spec in
            guard let port = spec.address.port, port != 0, let holder = PortHolder(of: spec.address),
                !isOfOwnDaemon(holder, settings)
            else { return nil }
            let name = printable(spec.address.description)
            return ConfigurationError("--listen \(name): in use by \(holder.words(seenFrom: settings.daemonName))")
        }
}

/// Unix sockets whose path depends on the directory of the start.
func relativePathProblems(_ settings: Settings) -> [ConfigurationError] {
    settings.listeners.compactMap { spec in
        guard case .unix(let path) = spec.address, let first = path.utf8.first, first != UInt8(ascii: "/"),
            first != UInt8(ascii: "@")
        else { return nil }
        return ConfigurationError(
            "--listen \(printable(spec.address.description)): a relative path depends on the directory in which "
                + "reloaderd is started: write unix:/path")
    }
}

/// Whether the holder is the running daemon of these settings, or one of its workers.
func isOfOwnDaemon(_ holder: PortHolder, _ settings: Settings) -> Bool {
    let paths: [String]
    switch settings.control {
    case .path(let path): paths = [path]
    case .automatic: paths = RuntimeDirectories.all.map { ControlSocket(of: settings.daemonName, in: $0).path }
    case .none: return false
    }
    return paths.contains { path in
        do throws(SystemError) {
            let peer = try ControlConnection(path: path).peer
            return peer == holder.pid || peer == holder.parent
        } catch { return false }
    }
}
