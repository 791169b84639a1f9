// Log rotation for a daemon that was started with `>app.log 2>&1`: SIGUSR1 opens the same paths anew.
internal import Glibc

/// The files that standard output and standard error led to when the daemon started.
struct Redirections {
    private let files: [(number: Int32, path: String)]

    init() {
        files = [Int32(1), 2].compactMap { number in
            var status = stat()
            guard fstat(number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
            return pathOfDescriptor(number).map { (number, $0) }
        }
    }

    /// Puts freshly opened files in place of the old ones, under the same numbers; yields their paths.
    ///
    /// - Throws: where a path can't be opened; that descriptor then stays what it was.
    func reopen() throws(SystemError) -> [String] {
        for (number, path) in files {
            let file = FileDescriptor(
                owning: try checked("open", path) {
                    open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0o644)
                })
            let source = file.number
            try checked("dup2", path) { dup2(source, number) }
        }
        return files.map { $0.path }
    }
}
