// --check: what would go wrong at a start, as far as it can be known without starting anything or opening a port.
import Glibc
import Supervisor

/// What is wrong with the surroundings of well-formed `settings`.
func findProblems(_ settings: Settings) -> [ConfigurationError] {
    var problems: [ConfigurationError] = []
    let program = settings.program
    for path in program.environmentFiles {
        do throws(ConfigurationError) {
            _ = try EnvironmentFile.read(path)
        } catch { problems.append(error.at("--env-file")) }
    }
    // What the files cannot say must not hide what else is wrong.
    var readable = settings
    if !problems.isEmpty { readable.program.environmentFiles = [] }
    // Without a program, that has been said already.
    if !settings.program.path.isEmpty, let problem = problem(with: readable) {
        problems.append(ConfigurationError(problem.description))
    }
    if problems.isEmpty { problems += programProblems(readable.program) }
    if let problem = settings.pidFile.flatMap(pidFileProblem) { problems.append(problem) }
    if case .file(let path) = settings.output, let problem = outputFileProblem(path) { problems.append(problem) }
    return problems
}

/// One line about `settings` that are right.
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

/// Where it is there it must be writable, else its directory.
private func outputFileProblem(_ path: String) -> ConfigurationError? {
    var status = stat()
    if stat(path, &status) == 0 {
        if status.st_mode & S_IFMT == S_IFDIR {
            return ConfigurationError("--output: \(printable(path)) is a directory")
        }
        if let reason = outputFileRefusal(path) {
            return ConfigurationError("--output: cannot use \(printable(path)): \(reason)")
        }
        if faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0 { return nil }
        return ConfigurationError("--output: cannot write to \(printable(path)): \(String(cString: strerror(errno)))")
    }
    guard let reason = accessProblem(directory(of: path), S_IFDIR, W_OK | X_OK) else { return nil }
    return ConfigurationError("--output: cannot write into \(printable(directory(of: path))): \(reason)")
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

/// Why `path` is not of this type or not accessible with the effective user; nil: it is.
private func accessProblem(_ path: String, _ type: mode_t, _ mode: Int32) -> String? {
    var status = stat()
    guard stat(path, &status) == 0 else { return String(cString: strerror(errno)) }
    if status.st_mode & S_IFMT != type { return String(cString: strerror(ENOTDIR)) }
    return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0 ? nil : String(cString: strerror(errno))
}
