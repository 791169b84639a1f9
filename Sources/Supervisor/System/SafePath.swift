// Follows a path step by step, and follows no link that another user could have put there. The kernel does that only
// for world-writable sticky directories, and only if fs.protected_symlinks is set.
internal import CLinux
internal import Glibc

/// A directory that is held open, and a name in it that is not a link, unless it is one of the kernel's own.
struct SafePath: ~Copyable {
    let directory: FileDescriptor
    let name: String
    /// Whether users other than root and this process's user may put files into the directory.
    let isShared: Bool
    /// Whether the name is one of the kernel's own links (/proc/self/fd/1), which only the kernel can follow.
    let isMagic: Bool
    /// The status of the file; nil if it does not exist yet.
    let status: stat?

    /// The kernel's own limit.
    private static let linksMax = 40
    /// PROC_SUPER_MAGIC of statfs(2).
    private static let procMagic = 0x9FA0

    /// - Parameter strangers: users who must not be able to lead the path elsewhere.
    /// - Throws: if there is no such directory, a link can't be trusted, or a stranger may change the path.
    init(_ path: String, closedTo strangers: [Stranger] = []) throws(SystemError) {
        // A NUL would silently shorten the name that the kernel sees.
        if path.isEmpty || path.utf8.contains(0) { throw SystemError(call: "open", errno: EINVAL, subject: path) }
        var directory = try Self.start(path)
        // In reverse, the next one last.
        var names = Self.names(path)
        var links = 0
        while true {
            let name = names.popLast() ?? "."
            let isInProc = try Self.isInProc(directory, path)
            let isShared = try Self.isShared(directory, path)
            let number = rl_open_entry(directory.number, name)
            if number < 0 {
                let error = SystemError(call: "open", errno: errno, subject: path)
                guard error.errno == ENOENT, names.isEmpty else { throw error }
                try Self.check(directory, path, closedTo: strangers, entry: nil)
                (self.name, self.isShared, isMagic, status) = (name, isShared, false, nil)
                self.directory = directory
                return
            }
            let entry = FileDescriptor(owning: number)
            let status = try Self.status(of: entry, path)
            let isLink = status.st_mode & S_IFMT == S_IFLNK
            let isLast = names.isEmpty && !isLink
            if !isInProc { try Self.check(directory, path, closedTo: strangers, entry: isLast ? nil : status) }
            if names.isEmpty && (!isLink || isInProc) {
                (self.name, self.isShared, isMagic, self.status) = (name, isShared, isLink, status)
                self.directory = directory
                return
            }
            if !isLink {
                directory = entry
            } else if isInProc {
                directory = try Self.enter(name, in: directory, path)
            } else {
                links += 1
                if links > Self.linksMax { throw SystemError(call: "open", errno: ELOOP, subject: path) }
                if isShared, !isOurs(status.st_uid) { throw Self.distrust(name, status.st_uid, path) }
                let target = try Self.target(of: entry, path)
                if target.utf8.first == UInt8(ascii: "/") { directory = try Self.start(target) }
                names += Self.names(target)
            }
        }
    }

    private static func names(_ path: String) -> [String] {
        path.split(separator: "/").filter { $0 != "." }.reversed().map(String.init)
    }

    private static func start(_ path: String) throws(SystemError) -> FileDescriptor {
        let start = path.utf8.first == UInt8(ascii: "/") ? "/" : "."
        return FileDescriptor(owning: try checked("open", start) { rl_open_path(AT_FDCWD, start) })
    }

    private static func enter(
        _ name: String, in directory: borrowing FileDescriptor, _ path: String
    ) throws(SystemError) -> FileDescriptor {
        let number = directory.number
        return FileDescriptor(owning: try checked("open", path) { rl_open_path(number, name) })
    }

    private static func target(of link: borrowing FileDescriptor, _ path: String) throws(SystemError) -> String {
        let number = link.number
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = try checked("readlink", path) { readlinkat(number, "", &buffer, buffer.count) }
        let bytes = buffer[..<count].lazy.map { UInt8(bitPattern: $0) }
        guard count > 0, let target = String(validating: bytes, as: UTF8.self) else {
            throw SystemError(call: "readlink", errno: EINVAL, subject: path)
        }
        return target
    }

    private static func status(of file: borrowing FileDescriptor, _ path: String) throws(SystemError) -> stat {
        let number = file.number
        var status = stat()
        try checked("fstat", path) { fstat(number, &status) }
        return status
    }

    private static func isInProc(_ directory: borrowing FileDescriptor, _ path: String) throws(SystemError) -> Bool {
        let number = directory.number
        var status = statfs()
        try checked("fstatfs", path) { fstatfs(number, &status) }
        return Int(status.f_type) == procMagic
    }

    private static func isShared(_ directory: borrowing FileDescriptor, _ path: String) throws(SystemError) -> Bool {
        let status = try status(of: directory, path)
        if !isOurs(status.st_uid) || status.st_mode & S_IWOTH != 0 { return true }
        let named = try NamedWriters(of: directory, status, path)
        let groups = named.groups + (status.st_mode & S_IWGRP != 0 ? [status.st_gid] : [])
        return groups.contains { $0 != 0 && $0 != getegid() } || named.users.contains { !isOurs($0) }
    }

    /// - Parameter entry: what the path goes on with; nil: it ends in this directory.
    private static func check(
        _ directory: borrowing FileDescriptor, _ path: String, closedTo strangers: [Stranger], entry: stat?
    ) throws(SystemError) {
        if strangers.isEmpty { return }
        let status = try status(of: directory, path)
        let named = try NamedWriters(of: directory, status, path)
        for stranger in strangers where stranger.mayWrite(status, named) {
            // In a sticky directory, what belongs to us can be moved by its own owner and by the directory's only.
            let isSticky = status.st_mode & 0o1000 != 0 && isOurs(status.st_uid)
            if isSticky, let entry, isOurs(entry.st_uid) { continue }
            let name = pathOfDescriptor(directory.number) ?? path
            throw SystemError(
                call: "open", errno: EPERM, subject: path,
                explanation:
                    "workers run as user \(stranger.userID), who may write into \(printable(name)) and put another "
                    + "file in its place (choose a directory that only root may write)")
        }
    }

    private static func distrust(_ name: String, _ user: uid_t, _ path: String) -> SystemError {
        SystemError(
            call: "open", errno: ELOOP, subject: path,
            explanation:
                "the link '\(printable(name))' belongs to user \(user), in a directory where others may write: "
                + "it is not followed")
    }
}

/// A user whose processes are not trusted with the daemon's files.
struct Stranger: Equatable {
    let userID: UInt32
    let groupIDs: [UInt32]

    /// By its owner, who can change the mode, its group, its mode and its access list. If in doubt, yes: an access list
    /// may let the group do less than the mode says.
    fileprivate func mayWrite(_ status: stat, _ named: NamedWriters) -> Bool {
        status.st_uid == userID || status.st_mode & S_IWOTH != 0
            || status.st_mode & S_IWGRP != 0 && groupIDs.contains(status.st_gid)
            || named.users.contains(userID) || named.groups.contains(where: groupIDs.contains)
    }
}

/// Whether this is root or the user of this process, whose links are always followed.
func isOurs(_ user: uid_t) -> Bool { user == 0 || user == geteuid() }

/// Creates the folder, and the folders above it that do not exist.
func makeFolder(_ path: String, mode: mode_t) throws(SystemError) {
    if mkdir(path, mode) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), slash > path.startIndex else {
        throw SystemError(call: "mkdir", errno: errno, subject: path)
    }
    try makeFolder(String(path[..<slash]), mode: mode)
    try checked("mkdir", path) { mkdir(path, mode) }
}

/// The names in an open directory, but for `.` and `..`. The caller closes the stream.
func entryNames(_ stream: OpaquePointer) -> [String] {
    var names: [String] = []
    while let entry = readdir(stream) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) { name in
            name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != "." && name != ".." { names.append(name) }
    }
    return names
}
