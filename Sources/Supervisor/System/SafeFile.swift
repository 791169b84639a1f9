// Opens the files that the daemon writes by name: whatever others may have put in their places, it neither waits there
// nor writes elsewhere, and says in words why not.
internal import Glibc

enum SafeFile {
    /// For what workers and the log write. A regular file, a device in a directory of root's or our own (/dev/null), or
    /// what one of the kernel's links leads to (/dev/stdout). Made where it is not there. Never blocks, neither now nor
    /// later.
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

    /// A regular file that nobody else could have put there, to be read and written. Made where it is not there.
    static func own(_ path: String) throws(SystemError) -> FileDescriptor {
        try open(path, O_RDWR | O_CREAT, 0o644) { (place, status) throws(SystemError) in
            try checkOwn(place, status, path)
        }
    }

    /// The same, only to be read.
    static func reading(_ path: String) throws(SystemError) -> FileDescriptor {
        try open(path, O_RDONLY, 0) { (place, status) throws(SystemError) in try checkOwn(place, status, path) }
    }

    /// Puts a new file with these bytes in the place of whatever is there under this name.
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

    // MARK: what is refused

    /// Why `appending(to:)` would refuse what is there now, beyond the kernel's own reasons.
    static func outputRefusal(_ path: String, closedTo strangers: [Stranger]) -> String? {
        refusal(path, closedTo: strangers) {
            (place, status) throws(SystemError) in try checkOutput(place, status, path)
        }
    }

    /// The same of `own`.
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

    /// What is there is looked at before it is opened, since opening some devices does something; and after, since it
    /// may be another by then.
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

    /// A second name of a file can be given by whoever may write into the directory.
    private static func checkLinks(_ place: borrowing SafePath, _ status: stat, _ path: String) throws(SystemError) {
        guard place.isShared, status.st_nlink > 1 else { return }
        throw refused(path, "the file has another name elsewhere, and stands in a directory where others may write")
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

/// For `--check`: why the daemon would not use this pid file, beyond what stat(2) and access(2) say. nil: nothing.
public func pidFileRefusal(_ path: String) -> String? { SafeFile.ownRefusal(path) }
