// Reads whole small files: configuration, user databases, /proc and cgroup files.
internal import Glibc

/// Why a file could not be read.
public enum FileReadError: Error, Equatable, Sendable, CustomStringConvertible {
    case failed(path: String, SystemError)
    case tooLarge(path: String, bytesMax: Int)
    /// A pipe or a socket, which cannot be read again at the next reload.
    case notAFile(path: String)

    /// `cannot read PATH: REASON`.
    public var description: String {
        switch self {
        case .failed(let path, let error): "cannot read \(printable(path)): \(error.reason)"
        case .tooLarge(let path, let bytesMax):
            "cannot read \(printable(path)): it is larger than \(byteCountText(UInt64(bytesMax)))"
        case .notAFile(let path): "cannot read \(printable(path)): it is not a regular file"
        }
    }

    /// Whether the file does not exist.
    public var isMissing: Bool {
        guard case .failed(_, let error) = self else { return false }
        return error.errno == ENOENT || error.errno == ENOTDIR
    }
}

/// The bytes of the file at `path`.
///
/// - Parameter bytesMax: a larger file is refused.
/// - Throws: also for pipes and sockets, so that this never blocks.
public func fileContents(_ path: String, bytesMax: Int) throws(FileReadError) -> [UInt8] {
    // For the kernel, a NUL would end the name.
    if path.utf8.contains(0) { throw .failed(path: path, SystemError(call: "open", errno: EINVAL, subject: path)) }
    do throws(SystemError) {
        let file = FileDescriptor(
            owning: try checked("open", path) { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) })
        if try isReadableAgain(file) {
            let contents = try contents(of: file, bytesMax: bytesMax)
            if contents.count <= bytesMax { return contents }
            throw SystemError(call: "read", errno: EFBIG, subject: path)
        }
    } catch {
        throw error.errno == EFBIG ? .tooLarge(path: path, bytesMax: bytesMax) : .failed(path: path, error)
    }
    throw .notAFile(path: path)
}

/// As `fileContents`, for a file of the daemon's own: a regular one that no other user could have put there.
func ownFileContents(_ path: String, bytesMax: Int) throws(FileReadError) -> [UInt8] {
    do throws(SystemError) {
        let contents = try contents(of: try SafeFile.reading(path), bytesMax: bytesMax)
        if contents.count <= bytesMax { return contents }
    } catch {
        throw .failed(path: path, error)
    }
    throw .tooLarge(path: path, bytesMax: bytesMax)
}

private func isReadableAgain(_ file: borrowing FileDescriptor) throws(SystemError) -> Bool {
    let number = file.number
    var status = stat()
    try checked("fstat") { fstat(number, &status) }
    let type = status.st_mode & S_IFMT
    return type != S_IFIFO && type != S_IFSOCK
}

/// All bytes, or somewhat more than `bytesMax` if the file is larger.
private func contents(of file: borrowing FileDescriptor, bytesMax: Int) throws(SystemError) -> [UInt8] {
    let number = file.number
    var contents: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16_384)
    while contents.count <= bytesMax {
        let count = try checked("read") { read(number, &chunk, chunk.count) }
        if count == 0 { break }
        contents += chunk[..<count]
    }
    return contents
}
