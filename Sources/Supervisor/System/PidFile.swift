// `--pid-file`: the daemon's PID for scripts, and a lock, so that a second daemon can't take the file from a living one.
internal import Glibc

public struct PidFileError: Error, Equatable, Sendable, CustomStringConvertible {
    public var path: String
    public var error: SystemError

    public var description: String {
        error.errno == EWOULDBLOCK
            ? "cannot take the pid file \(path): another daemon holds it (stop it, or choose another file)"
            : "cannot write the pid file \(path): \(error.reason)"
    }
}

final class PidFile {
    private let path: String
    private let file: FileDescriptor

    init(_ path: String) throws(PidFileError) {
        do throws(SystemError) {
            let file = try SafeFile.own(path)
            let number = file.number
            try checked("flock", path) { flock(number, LOCK_EX | LOCK_NB) }
            try checked("ftruncate", path) { ftruncate(number, 0) }
            let text = Array("\(getpid())\n".utf8)
            try checked("write", path) { write(number, text, text.count) }
            self.file = file
        } catch {
            throw PidFileError(path: path, error: error)
        }
        self.path = path
    }

    /// Removes the file; the lock goes with the descriptor.
    func remove() throws(SystemError) { try checked("unlink", path) { unlink(path) } }
}
