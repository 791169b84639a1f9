// Log rotation for a daemon that was started with `>app.log 2>&1`: SIGUSR1 opens the same paths anew.
internal import Glibc

/// The files that standard output and standard error led to when the daemon started.
struct Redirections {
    private let files: [File]

    private struct File {
        let number: Int32
        let path: String
    }

    init() {
        files = [Int32(1), 2].compactMap { number in
            var status = stat()
            // One that was removed has no name to open anew.
            guard fstat(number, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_nlink > 0 else {
                return nil
            }
            return pathOfDescriptor(number).map { File(number: number, path: $0) }
        }
    }

    /// Puts freshly opened files in place of the old ones, under the same numbers; yields their paths.
    ///
    /// - Parameters:
    ///   - strangers: users who must not be able to put another file in its place.
    ///   - tell: called for each that can't be opened; that descriptor stays what it was.
    func reopen(closedTo strangers: [Stranger], failing tell: (SystemError) -> Void) -> [String] {
        files.compactMap { file in
            do throws(SystemError) {
                try Self.reopen(file, strangers)
                return file.path
            } catch {
                tell(error)
                return nil
            }
        }
    }

    private static func reopen(_ file: File, _ strangers: [Stranger]) throws(SystemError) {
        let new = try SafeFile.appending(to: file.path, closedTo: strangers)
        let source = new.number
        // Workers may have it as their own, and expect that it blocks.
        let flags = try checked("fcntl", file.path) { fcntl(source, F_GETFL) }
        try checked("fcntl", file.path) { fcntl(source, F_SETFL, flags & ~O_NONBLOCK) }
        try checked("dup2", file.path) { dup2(source, file.number) }
    }
}
