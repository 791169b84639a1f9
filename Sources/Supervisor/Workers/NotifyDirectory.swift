// Where the files of notify sockets are: in a directory that the daemon makes for itself, where nobody else can put or
// replace anything, and that is gone with the daemon. A daemon that is killed leaves its own; the next one removes it.
internal import CLinux
internal import Glibc
internal import Reloader

/// Makes notify sockets, and the directory for them when the first is needed.
final class NotifyDirectory {
    /// Where such a directory may be made.
    struct Place {
        let parent: String
        /// The mode with which the parent is made; nil: it must be there.
        let mode: mode_t?
        let prefix: String

        /// A daemon's runtime directory.
        static func runtime(_ path: String, mode: mode_t) -> Place {
            Place(parent: path, mode: mode, prefix: "notify-")
        }

        /// Where anybody may make a directory, for a daemon without a runtime directory that its workers can enter.
        static let shared = ["/tmp", "/dev/shm"].map { Place(parent: $0, mode: nil, prefix: "reloaderd-notify-") }
    }

    private let places: [Place]
    private let story: Story
    /// The last one is in use, and the others have files in it still.
    private var folders: [NotifyFolder] = []
    private var lastNumber = 0

    /// - Parameter runtime: the runtime directory; nil: there is none.
    init(_ runtime: Place?, _ story: Story) {
        places = (runtime.map { [$0] } ?? []) + Place.shared
        self.story = story
    }

    /// A socket with an address like no other.
    ///
    /// - Parameter user: who may send to it beside root; nil: the daemon's own user.
    /// - Throws: if there can be no socket for now: the process is out of descriptors, or the machine of memory.
    func makeSocket(for user: UserChoice?) throws(SystemError) -> NotifySocket {
        lastNumber += 1
        let name = String(lastNumber)
        if let folder = folders.last {
            // If that fails, somebody has removed it or its file system is full: there may be another place.
            do throws(SystemError) { return try NotifySocket(in: folder, name: name, for: user) } catch {
                if error.isOfExhaustion { throw error }
            }
        }
        var obstacles: [String] = []
        for place in places {
            do throws(SystemError) {
                let folder = try NotifyFolder(in: place)
                let socket = try NotifySocket(in: folder, name: name, for: user)
                folders.append(folder)
                return socket
            } catch {
                if error.isOfExhaustion { throw error }
                obstacles.append("\(error)")
            }
        }
        let socket = try NotifySocket(unprotected: ())
        tellUnprotected(obstacles)
        return socket
    }

    // MARK: for the daemon that comes next

    static let key = "notify"

    private struct State: Codable {
        let folders: [NotifyFolder.State]
        let lastNumber: Int
    }

    func row() throws(StateError) -> StateRow {
        var descriptors = RowDescriptors()
        let state = State(folders: folders.map { $0.state(&descriptors) }, lastNumber: lastNumber)
        return try StateRow(Self.key, state, descriptors)
    }

    /// Nothing is removed before `goOn` is called.
    init(_ runtime: Place?, _ rows: StateRows, _ story: Story) throws(StateError) {
        let state = try rows.value(State.self, Self.key)
        places = (runtime.map { [$0] } ?? []) + Place.shared
        self.story = story
        lastNumber = max(0, state.lastNumber)
        for folder in state.folders { folders.append(try NotifyFolder(folder, of: Self.key, in: rows)) }
    }

    static func check(_ rows: StateRows) throws(StateError) { _ = try rows.value(State.self, key) }

    /// How workers are found that the keeper of a dead daemon does not know of. Their numbers are not given out again.
    func straySearch() -> StraySearch {
        defer { lastNumber += Self.numbersOfStrays }
        return StraySearch(directories: folders.map { $0.path })
    }

    /// More than a daemon starts at once.
    private static let numbersOfStrays = 10_000

    /// The state is this daemon's from now on.
    func goOn() { for folder in folders { folder.goOn() } }

    /// Where the file is, for `file`; nil: the directory is gone.
    func state(of file: NotifyFile) -> NotifyFile.State? {
        folders.firstIndex { file.isIn($0) }.map { NotifyFile.State(folder: $0, name: file.name) }
    }

    func file(_ state: NotifyFile.State) throws(StateError) -> NotifyFile {
        guard folders.indices.contains(state.folder) else { throw .malformed("the place of a notify socket") }
        return NotifyFile(of: state.name, in: folders[state.folder])
    }

    /// The daemon ends.
    func remove() {
        for folder in folders { folder.removeAll() }
        folders = []
    }

    private func tellUnprotected(_ obstacles: [String]) {
        story.tellOnce(
            LogRecord(
                .warning, "notify_unprotected",
                "no directory for the notify sockets of workers (\(obstacles.joined(separator: "; "))): they are "
                    + "abstract addresses, and any local user can fill them so that heartbeats are lost (make one of "
                    + "these directories writable, or let workers write to READY_FD)"))
    }
}

extension SystemError {
    /// There may be enough again soon, and no other place has more.
    fileprivate var isOfExhaustion: Bool { [EMFILE, ENFILE, ENOMEM, ENOBUFS].contains(errno) }
}

/// One directory of the daemon's own. It is locked as long as its daemon lives.
final class NotifyFolder {
    /// Digits of the longest name of a file in it.
    private static let nameBytesMax = 10
    /// What a sockaddr_un holds, without the NUL byte.
    private static let pathBytesMax = 107

    let path: String
    private let parent: FileDescriptor
    private let descriptor: FileDescriptor
    private let name: String
    /// Whether it is for this object to remove it.
    private var isOurs = true

    fileprivate init(in place: NotifyDirectory.Place) throws(SystemError) {
        let pattern = "\(place.parent)/\(place.prefix)XXXXXX"
        // Workers may be in another directory than the daemon.
        guard place.parent.utf8.first == UInt8(ascii: "/") else {
            throw SystemError(call: "mkdtemp", errno: EINVAL, subject: pattern, explanation: "not an absolute path")
        }
        guard pattern.utf8.count + 1 + Self.nameBytesMax <= Self.pathBytesMax else {
            throw SystemError(call: "mkdtemp", errno: ENAMETOOLONG, subject: pattern)
        }
        if let mode = place.mode { try makeFolder(place.parent, mode: mode) }
        let parent = FileDescriptor(
            owning: try checked("open", place.parent) { Glibc.open(place.parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) })
        Self.removeStale(place.prefix, in: parent)
        let made = try Self.make(pattern, in: parent)
        name = made.name
        path = "\(place.parent)/\(name)"
        self.parent = parent.moved()
        descriptor = made.takeDescriptor().moved()
    }

    deinit { removeAll() }

    // MARK: for the daemon that comes next

    struct State: Codable {
        let path: String
        let name: String
        let parent: RowDescriptors.Place
        let descriptor: RowDescriptors.Place
    }

    fileprivate func state(_ descriptors: inout RowDescriptors) -> State {
        State(
            path: path, name: name, parent: descriptors.add(parent.number),
            descriptor: descriptors.add(descriptor.number))
    }

    fileprivate init(_ state: State, of key: String, in rows: StateRows) throws(StateError) {
        let upper = FileDescriptor.upperNumbers
        parent = try rows.descriptor(state.parent, of: key, from: upper)
        descriptor = try rows.descriptor(state.descriptor, of: key, from: upper)
        path = state.path
        name = state.name
        isOurs = false
    }

    fileprivate func goOn() { isOurs = true }

    // MARK: files in it

    /// By way of the descriptor: whatever stands at the path by now, this is no file of anybody else.
    ///
    /// - Throws: also if the user can't reach the file.
    func give(_ file: String, to user: UserChoice) throws(SystemError) {
        let number = descriptor.number
        try checkReach(of: user)
        try checked("fchmod", path) { fchmod(number, 0o711) }
        try checked("chown", "\(path)/\(file)") {
            fchownat(number, file, user.userID, gid_t.max, AT_SYMLINK_NOFOLLOW)
        }
    }

    /// Each directory above must let the user pass. Access control lists are not looked at.
    private func checkReach(of user: UserChoice) throws(SystemError) {
        var folder = ""
        for part in path.split(separator: "/").dropLast() {
            folder += "/\(part)"
            var status = stat()
            try checked("stat", folder) { stat(folder, &status) }
            let groups = [user.groupID] + user.supplementaryGroups
            let bit: mode_t =
                status.st_uid == user.userID ? S_IXUSR : groups.contains(status.st_gid) ? S_IXGRP : S_IXOTH
            if status.st_mode & bit == 0 {
                throw SystemError(
                    call: "chown", errno: EACCES, subject: folder,
                    explanation: "the workers' user \(user.userID) may not enter it")
            }
        }
    }

    func remove(_ file: String) { if isOurs { unlinkat(descriptor.number, file, 0) } }

    /// Removes the directory with all that is in it.
    fileprivate func removeAll() { if isOurs { Self.remove(name, descriptor, in: parent) } }

    // MARK: making it

    private struct Made: ~Copyable {
        let name: String
        let descriptor: FileDescriptor

        consuming func takeDescriptor() -> FileDescriptor { descriptor }
    }

    /// Makes it and locks it. Another daemon that starts at this moment may take it for a stale one in between.
    private static func make(
        _ pattern: String, in parent: borrowing FileDescriptor
    ) throws(SystemError) -> Made {
        for _ in 0..<attemptsMax {
            var bytes = Array(pattern.utf8CString)
            let isMade = bytes.withUnsafeMutableBufferPointer { $0.baseAddress.flatMap { mkdtemp($0) } != nil }
            if !isMade { throw SystemError(call: "mkdtemp", errno: errno, subject: pattern) }
            let path = String(decoding: bytes.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let name = path.split(separator: "/").last.map(String.init) ?? ""
            do throws(SystemError) {
                if let descriptor = try lock(name, in: parent) { return Made(name: name, descriptor: descriptor) }
            } catch {
                unlinkat(parent.number, name, AT_REMOVEDIR)
                throw error
            }
        }
        throw SystemError(call: "flock", errno: EWOULDBLOCK, subject: pattern)
    }

    private static let attemptsMax = 8

    /// nil: another daemon holds it, or it is removed.
    private static func lock(
        _ name: String, in parent: borrowing FileDescriptor
    ) throws(SystemError) -> FileDescriptor? {
        let place = parent.number
        let number = openat(place, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        if number < 0 {
            if errno == ENOENT { return nil }
            throw SystemError(call: "open", errno: errno, subject: name)
        }
        let descriptor = FileDescriptor(owning: number)
        let isLocked = try checkedUnlessWouldBlock("flock", name) { flock(number, LOCK_EX | LOCK_NB) } != nil
        var status = stat()
        try checked("fstat", name) { fstat(number, &status) }
        if status.st_uid != geteuid() {
            throw SystemError(
                call: "open", errno: EPERM, subject: name, explanation: "it belongs to user \(status.st_uid)")
        }
        guard isLocked, status.st_nlink > 0 else { return nil }
        return descriptor
    }

    // MARK: removing it

    /// Removes what daemons of this user have left that were killed: nobody holds its lock.
    private static func removeStale(_ prefix: String, in parent: borrowing FileDescriptor) {
        for name in entries(of: parent) where name.hasPrefix(prefix) {
            // One that can't be looked at is left alone.
            do throws(SystemError) {
                if let descriptor = try lock(name, in: parent) { remove(name, descriptor, in: parent) }
            } catch {}
        }
    }

    /// Removes sockets and nothing else, and the directory if it is empty then.
    private static func remove(
        _ name: String, _ descriptor: borrowing FileDescriptor, in parent: borrowing FileDescriptor
    ) {
        let number = descriptor.number
        for file in entries(of: descriptor) {
            var status = stat()
            guard fstatat(number, file, &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT == S_IFSOCK else {
                continue
            }
            unlinkat(number, file, 0)
        }
        unlinkat(parent.number, name, AT_REMOVEDIR)
    }

    /// Empty if it can't be read.
    private static func entries(of directory: borrowing FileDescriptor) -> [String] {
        let number = openat(directory.number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { return [] }
        guard let stream = fdopendir(number) else {
            close(number)
            return []
        }
        defer { closedir(stream) }
        return entryNames(stream)
    }
}
