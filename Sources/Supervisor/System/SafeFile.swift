// Opens the files that the daemon writes by name. Others may have put something else in their place: the daemon then
// neither blocks nor writes elsewhere, but refuses and says why.
internal import Glibc

enum SafeFile {
    /// Opens a file for the output of workers or for the log: a regular file, a device in a directory that belongs to
    /// root or to this process's user (/dev/null), or the target of one of the kernel's links (/dev/stdout). Creates it
    /// if it does not exist. Never blocks, neither in opening nor in writing.
    ///
    /// - Parameter strangers: users who must not be able to put another file there.
    static func appending(
        to path: String, closedTo strangers: [Stranger] = []
    ) throws(SystemError) -> FileDescriptor {
        try open(path, O_WRONLY | O_APPEND | O_CREAT, 0o644, closedTo: strangers) {
            (place, status) throws(SystemError) in
            try checkOutput(place, status, path)
        }
    }

    /// Opens a regular file that no other user could have put there, for reading and writing. Creates it if it does not
    /// exist.
    static func own(_ path: String, mode: mode_t = 0o644) throws(SystemError) -> FileDescriptor {
        try open(path, O_RDWR | O_CREAT, mode) { (place, status) throws(SystemError) in
            try checkOwn(place, status, path)
        }
    }

    /// The same, but only for reading, and does not create it.
    static func reading(_ path: String) throws(SystemError) -> FileDescriptor {
        try open(path, O_RDONLY, 0) { (place, status) throws(SystemError) in try checkOwn(place, status, path) }
    }

    /// Replaces what has this name by a new file with these bytes.
    static func replace(_ path: String, with bytes: [UInt8], mode: mode_t) throws(SystemError) {
        let place = try SafePath(path)
        let directory = place.directory.number
        let temporary = "\(place.name).new"
        if unlinkat(directory, temporary, 0) != 0, errno != ENOENT {
            throw SystemError(call: "unlink", errno: errno, subject: "\(path).new")
        }
        let file = FileDescriptor(
            owning: try checked("open", "\(path).new") {
                openat(directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
            })
        let number = file.number
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = try checked("write", "\(path).new") {
                rest.withUnsafeBytes { write(number, $0.baseAddress, $0.count) }
            }
            rest = rest.dropFirst(count)
        }
        try checked("rename", path) { renameat(directory, temporary, directory, place.name) }
    }

    // MARK: refusals

    /// Why `appending(to:)` would refuse what is there now, apart from the kernel's own reasons; nil if it would not.
    static func outputRefusal(_ path: String, closedTo strangers: [Stranger]) -> String? {
        refusal(path, closedTo: strangers) {
            (place, status) throws(SystemError) in try checkOutput(place, status, path)
        }
    }

    /// The same for `own`.
    static func ownRefusal(_ path: String) -> String? {
        refusal(path) { (place, status) throws(SystemError) in try checkOwn(place, status, path) }
    }

    private typealias Check = (borrowing SafePath, stat) throws(SystemError) -> Void

    private static func refusal(_ path: String, closedTo strangers: [Stranger] = [], _ check: Check) -> String? {
        do throws(SystemError) {
            let place = try SafePath(path, closedTo: strangers)
            if let status = place.status, !place.isMagic { try check(place, status) }
            return nil
        } catch {
            return error.explanation
        }
    }

    /// Checks the file before it is opened, because opening some devices has effects; and afterwards, because it may
    /// have been replaced in between.
    private static func open(
        _ path: String, _ flags: Int32, _ mode: mode_t, closedTo strangers: [Stranger] = [], _ check: Check
    ) throws(SystemError) -> FileDescriptor {
        let place = try SafePath(path, closedTo: strangers)
        if let status = place.status, !place.isMagic { try check(place, status) }
        let directory = place.directory.number
        let safe = O_NONBLOCK | O_NOCTTY | O_CLOEXEC | (place.isMagic ? 0 : O_NOFOLLOW)
        let file = FileDescriptor(
            owning: try checked("open", path) { openat(directory, place.name, flags | safe, mode) })
        let number = file.number
        var status = stat()
        try checked("fstat", path) { fstat(number, &status) }
        try check(place, status)
        return file
    }

    private static func checkOutput(_ place: borrowing SafePath, _ status: stat, _ path: String) throws(SystemError) {
        if place.isMagic { return }
        switch status.st_mode & S_IFMT {
        case S_IFREG: try checkLinks(place, status, path)
        case S_IFCHR where !place.isShared: break
        case S_IFCHR: throw refused(path, "it is a device, in a directory where others may write")
        default: throw refused(path, "it is \(kind(status)), not a regular file")
        }
    }

    private static func checkOwn(_ place: borrowing SafePath, _ status: stat, _ path: String) throws(SystemError) {
        guard status.st_mode & S_IFMT == S_IFREG, !place.isMagic else {
            throw refused(path, "it is \(kind(status)), not a regular file")
        }
        try checkLinks(place, status, path)
        if place.isShared, !isOurs(status.st_uid) {
            throw refused(path, "it belongs to user \(status.st_uid), in a directory where others may write")
        }
    }

    /// Anybody who may write into the directory can put a second name of a file there.
    private static func checkLinks(_ place: borrowing SafePath, _ status: stat, _ path: String) throws(SystemError) {
        guard place.isShared, status.st_nlink > 1 else { return }
        throw refused(path, "the file has another name elsewhere, and is in a directory where others may write")
    }

    private static func kind(_ status: stat) -> String {
        switch status.st_mode & S_IFMT {
        case S_IFIFO: "a FIFO"
        case S_IFSOCK: "a socket"
        case S_IFDIR: "a directory"
        case S_IFLNK: "a link"
        case S_IFCHR, S_IFBLK: "a device"
        default: "something else"
        }
    }

    private static func refused(_ path: String, _ explanation: String) -> SystemError {
        SystemError(call: "open", errno: EPERM, subject: path, explanation: explanation)
    }
}

/// For `--check`: why the daemon would refuse to use this pid file, apart from what stat(2) and access(2) tell; nil if
/// it would not.
public func pidFileRefusal(_ path: String) -> String? { SafeFile.ownRefusal(path) }
