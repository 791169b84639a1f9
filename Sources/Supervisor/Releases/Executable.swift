// The file that a generation runs, pinned: it is found once, and runs as it was then, whatever is on the disk now.
internal import CLinux
internal import Glibc

struct Executable: ~Copyable {
    /// The path without symbolic links, so that a flipped `current` does not change which version replaces a crashed
    /// worker.
    let path: String
    private let file: FileDescriptor
    /// The file as it was when it was pinned.
    let trace: FileTrace
    /// A script runs by its path, because its interpreter could not open our descriptor.
    private let isScript: Bool

    /// - Parameter directory: the base of a relative path.
    init(_ name: String, directory: borrowing FileDescriptor, searchPath: String?) throws(GenerationError) {
        let found = try Self.find(name, directory: directory, searchPath: searchPath)
        let base = directory.number
        let file = try Self.open(found, base)
        trace = FileTrace(try Self.status(of: file, found))
        path = pathOfDescriptor(file.number) ?? found
        isScript = Self.startsAsScript(found, base)
        self.file = file
    }

    /// The pinned file, if `path` leads to another file now; nil: run it by its path.
    var replacedFile: Int32? {
        if isScript { return nil }
        if let now = FileTrace(path, in: AT_FDCWD), now.isSameFile(as: trace) { return nil }
        return file.number
    }

    /// The file that would run is not as it was when it was pinned. A script is read by its path, and any file can be
    /// overwritten in place.
    var isChanged: Bool {
        let now = FileTrace(path, in: AT_FDCWD)
        if isScript { return now != trace }
        return now.map { $0.isSameFile(as: trace) && $0 != trace } ?? false
    }

    // MARK: for the daemon that comes next

    struct State: Codable {
        let path: String
        let trace: FileTrace
        let isScript: Bool
        let file: RowDescriptors.Place
    }

    func state(_ descriptors: inout RowDescriptors) -> State {
        State(path: path, trace: trace, isScript: isScript, file: descriptors.add(file.number))
    }

    init(_ state: State, of key: String, in rows: StateRows) throws(StateError) {
        file = try rows.descriptor(state.file, of: key)
        path = state.path
        trace = state.trace
        isScript = state.isScript
    }

    private static func find(
        _ name: String, directory: borrowing FileDescriptor, searchPath: String?
    ) throws(GenerationError) -> String {
        let base = directory.number
        if name.utf8.contains(UInt8(ascii: "/")) {
            guard let error = refusal(name, base) else { return name }
            throw error.isMissing ? .programMissing(path: name, searched: nil) : .programRefused(path: name, error)
        }
        let searchPath = searchPath ?? "/usr/local/bin:/usr/bin:/bin"
        var refused: SystemError?
        for part in searchPath.split(separator: ":", omittingEmptySubsequences: false) {
            let candidate = part.isEmpty ? "./\(name)" : "\(part)/\(name)"
            guard let error = refusal(candidate, base) else { return candidate }
            if !error.isMissing { refused = refused ?? error }
        }
        if let refused { throw .programRefused(path: name, refused) }
        throw .programMissing(path: name, searched: searchPath)
    }

    /// Why this process could not execute the file; nil: it could.
    private static func refusal(_ path: String, _ base: Int32) -> SystemError? {
        do throws(SystemError) {
            try checked("faccessat", path) { faccessat(base, path, X_OK, AT_EACCESS) }
            var status = stat()
            try checked("stat", path) { fstatat(base, path, &status, 0) }
            if status.st_mode & S_IFMT == S_IFREG { return nil }
            return SystemError(call: "execve", errno: EACCES, subject: path)
        } catch {
            return error
        }
    }

    private static func open(_ path: String, _ base: Int32) throws(GenerationError) -> FileDescriptor {
        do throws(SystemError) {
            return FileDescriptor(owning: try checked("open", path) { rl_open_path(base, path) })
        } catch {
            throw .programRefused(path: path, error)
        }
    }

    private static func status(of file: borrowing FileDescriptor, _ path: String) throws(GenerationError) -> stat {
        let number = file.number
        var status = stat()
        do throws(SystemError) {
            try checked("fstat", path) { fstat(number, &status) }
        } catch {
            throw .programRefused(path: path, error)
        }
        return status
    }

    private static func startsAsScript(_ path: String, _ base: Int32) -> Bool {
        let number = openat(base, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
        if number < 0 { return false }  // a script that cannot be read could not run
        let file = FileDescriptor(owning: number)
        var start: (UInt8, UInt8) = (0, 0)
        return pread(file.number, &start, 2, 0) == 2 && start == (UInt8(ascii: "#"), UInt8(ascii: "!"))
    }
}

extension SystemError {
    var isMissing: Bool { errno == ENOENT || errno == ENOTDIR }
}
