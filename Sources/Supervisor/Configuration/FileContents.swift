// Whole small files, read in one go: configuration, user databases, /proc and cgroup files.
internal import Glibc

/// Why a file could not be read.
public struct FileReadError: Error, Equatable, CustomStringConvertible {
    public enum Reason: Equatable, Sendable {
        case system(SystemError)
        case tooLarge(bytesMax: Int)
        /// A pipe or a socket, which cannot be read again.
        case notAFile
    }

    public var path: String
    public var reason: Reason

    /// `cannot read PATH: REASON`.
    public var description: String {
        let text =
            switch reason {
            case .system(let error): error.reason
            case .tooLarge(let bytesMax): "it is larger than \(byteCountText(UInt64(bytesMax)))"
            case .notAFile: "it is not a regular file"
            }
        return "cannot read \(printable(path)): \(text)"
    }

    /// True when there is no such file.
    public var isMissing: Bool {
        guard case .system(let error) = reason else { return false }
        return error.errno == ENOENT || error.errno == ENOTDIR
    }
}

/// The bytes of the file at `path`, at most `bytesMax` of them. Never blocks: pipes and sockets are refused.
public func fileContents(_ path: String, bytesMax: Int) throws(FileReadError) -> [UInt8] {
    func failure(_ call: String, _ number: Int32) -> FileReadError {
        FileReadError(path: path, reason: .system(SystemError(call: call, errno: number, subject: path)))
    }
    // A NUL would silently shorten the name that the kernel sees.
    if path.utf8.contains(0) { throw failure("open", EINVAL) }
    let opened = retryingOnInterrupt { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) }
    guard opened >= 0 else { throw failure("open", errno) }
    let file = FileDescriptor(owning: Int32(opened))

    var status = stat()
    guard fstat(file.number, &status) == 0 else { throw failure("fstat", errno) }
    let type = status.st_mode & S_IFMT
    if type == S_IFIFO || type == S_IFSOCK { throw FileReadError(path: path, reason: .notAFile) }

    var contents: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16_384)
    while true {
        let count = retryingOnInterrupt { read(file.number, &chunk, chunk.count) }
        guard count >= 0 else { throw failure("read", errno) }
        if count == 0 { return contents }
        contents += chunk[..<count]
        if contents.count > bytesMax { throw FileReadError(path: path, reason: .tooLarge(bytesMax: bytesMax)) }
    }
}

/// Calls again as long as a signal interrupts the call.
private func retryingOnInterrupt<Result: SignedInteger>(_ call: () -> Result) -> Result {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}
