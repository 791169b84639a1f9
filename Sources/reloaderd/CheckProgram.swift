// --check of the program: may its user execute it, and is the script there that its arguments name?
import Glibc
import Supervisor

/// What a start would only find out when its workers fail. To be called when a generation could be made.
func programProblems(_ program: Program) -> [ConfigurationError] {
    guard let path = executablePath(of: program) else { return [] }
    var problems: [ConfigurationError] = []
    if let user = program.user, let reason = asUser(user, { faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) }) {
        problems.append(ConfigurationError("--user: user \(user.userID) may not execute \(printable(path)): \(reason)"))
    }
    if let problem = scriptProblem(program) { problems.append(problem) }
    return problems
}

/// nil: it is looked up in PATH, where this process has found it.
private func executablePath(of program: Program) -> String? {
    if program.path.utf8.first == UInt8(ascii: "/") { return program.path }
    guard program.path.utf8.contains(UInt8(ascii: "/")) else { return nil }
    return "\(program.workingDirectory ?? ".")/\(program.path)"
}

/// Why `call` fails when this user makes it; nil: it does not, or this process may not become the user.
///
/// Only by becoming somebody can all that counts be asked: groups, access lists, and each directory on the way.
private func asUser(_ user: UserChoice, _ call: () -> Int32) -> String? {
    guard geteuid() == 0, user.userID != 0 else { return nil }
    let groups = [user.groupID] + user.supplementaryGroups
    guard setgroups(groups.count, groups) == 0, setegid(user.groupID) == 0, seteuid(user.userID) == 0 else {
        return nil
    }
    // access(2) asks for the real user, faccessat with this flag for the effective one.
    errno = 0
    let failed = call() != 0
    let number = errno
    guard seteuid(0) == 0, setegid(0) == 0 else { return "cannot become root again" }
    return failed ? String(cString: strerror(number)) : nil
}

/// A script that an interpreter would not find.
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
        "cannot find \(printable(path)), which \(printable(program.path)) is to run: "
            + String(cString: strerror(errno)))
}

/// The first word, or the first with a script's ending before anything that is no option: what follows an option may be its
/// value.
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
