// `--pid-file`: the daemon's PID for scripts, and a lock, so that a second daemon can't take over the file while the
// first one lives.
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
            let text = Self.text
            try checked("write", path) { write(number, text, text.count) }
            self.file = file
        } catch {
            throw PidFileError(path: path, error: error)
        }
        self.path = path
    }

    // MARK: for the daemon that comes next

    struct State: Codable {
        let path: String
        let file: RowDescriptors.Place
    }

    func state(_ descriptors: inout RowDescriptors) -> State {
        State(path: path, file: descriptors.add(file.number))
    }

    init(_ state: State, of key: String, in rows: StateRows) throws(StateError) {
        file = try rows.descriptor(state.file, of: key)
        path = state.path
    }

    // MARK: the end

    /// Removes the file, unless it has been replaced or overwritten since; the lock ends with the descriptor.
    func remove() throws(SystemError) {
        guard try isOurs() else { return }
        try checked("unlink", path) { unlink(path) }
    }

    private func isOurs() throws(SystemError) -> Bool {
        let number = file.number
        var own = stat()
        try checked("fstat", path) { fstat(number, &own) }
        var there = stat()
        guard lstat(path, &there) == 0, own.st_dev == there.st_dev, own.st_ino == there.st_ino else { return false }
        let text = Self.text
        var bytes = [UInt8](repeating: 0, count: text.count + 1)
        return pread(number, &bytes, bytes.count, 0) == text.count && bytes.starts(with: text)
    }

    private static var text: [UInt8] { Array("\(getpid())\n".utf8) }
}
