// Where a program is, by the rules of execvp(3), seen from another working directory.
internal import Glibc

/// The path of the executable that `program` means to a worker: as it stands when it has a `/`, else in `searchPath`.
///
/// Relative paths start at `directory`. Without a search path it is that of the C library, `/bin:/usr/bin`.
/// - Throws: ENOENT when there is none, or why the first that is there cannot be executed (EACCES).
public func findExecutable(_ program: String, in directory: String, searchPath: String?) throws(SystemError) -> String {
    if program.utf8.contains(UInt8(ascii: "/")) {
        let path = joined(directory, program)
        let number = executionErrno(path)
        if number == 0 { return path }
        throw SystemError(call: "execve", errno: number, subject: program)
    }
    var refusal = ENOENT
    let directories = (searchPath ?? "/bin:/usr/bin").utf8.split(
        separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    for bytes in directories where !program.isEmpty {
        // An empty entry means the working directory.
        let path = joined(directory, bytes.isEmpty ? program : "\(Substring(bytes))/\(program)")
        switch executionErrno(path) {
        case 0: return path
        case EACCES: refusal = EACCES
        default: continue
        }
    }
    throw SystemError(call: "execve", errno: refusal, subject: program)
}

private func joined(_ directory: String, _ path: String) -> String {
    path.utf8.first == UInt8(ascii: "/") ? path : "\(directory)/\(path)"
}

/// The errno that execve(2) would fail with, as far as permissions tell; 0: none.
private func executionErrno(_ path: String) -> Int32 {
    var status = stat()
    guard stat(path, &status) == 0 else { return errno }
    guard status.st_mode & S_IFMT == S_IFREG else { return EACCES }
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno
}
