// What the daemon can see of a version of the program, to tell whether a deploy brings anything new.
internal import Glibc
internal import Reloader

/// Two different traces mean two versions. Two versions with the same trace may still differ in what the daemon does
/// not look at: libraries, modules, a database.
struct GenerationTrace: Codable, Equatable {
    private let program: Program
    /// Without the number of workers, which does not make a version.
    private let policy: Policy
    /// A hash of all variables, those of the environment files included. Only a hash is kept, because they may hold
    /// secrets.
    private let environment: UInt64
    private let executable: FileTrace
    /// A file that is created or replaced in the directory changes the directory's trace, too.
    private let directory: FileTrace?
    /// The file that each argument names, such as an interpreter's program or a configuration; nil: the argument names
    /// no file.
    private let arguments: [FileTrace?]

    init(_ generation: Generation, _ policy: Policy) {
        program = generation.program
        var policy = policy
        policy.workers = 0
        self.policy = policy
        environment = Self.hash(generation.environment)
        executable = generation.executable.trace
        let directory = generation.directory.number
        self.directory = FileTrace(".", in: directory)
        arguments = generation.program.arguments.map { FileTrace($0, in: directory) }
    }

    /// FNV-1a (Fowler, Noll, Vo): the same in every process, which the standard library's is not.
    private static func hash(_ strings: CStrings) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for case let string? in strings.pointers {
            for byte in UnsafeRawBufferPointer(start: string, count: strlen(string) + 1) {
                hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3
            }
        }
        return hash
    }
}

/// What tells one state of a file from another without reading the file.
struct FileTrace: Codable, Equatable {
    private let device: UInt64
    let inode: UInt64
    private let size: Int
    private let seconds: Int
    private let nanoseconds: Int

    init(_ status: stat) {
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        size = Int(status.st_size)
        seconds = status.st_mtim.tv_sec
        nanoseconds = status.st_mtim.tv_nsec
    }

    /// nil: there is no such file.
    init?(_ path: String, in directory: Int32) {
        var status = stat()
        guard fstatat(directory, path, &status, 0) == 0 else { return nil }
        self.init(status)
    }

    var modifiedAt: timespec { timespec(tv_sec: seconds, tv_nsec: nanoseconds) }

    func isSameFile(as other: FileTrace) -> Bool { device == other.device && inode == other.inode }
}

/// The files that a generation's arguments name; for an interpreter, the program itself. They are not pinned, so a
/// worker that starts later runs what they contain by then.
struct NamedFiles: Codable {
    private struct Named: Codable {
        let name: String
        let trace: FileTrace
    }

    private let traces: [Named]

    /// - Parameter directory: the base of relative names.
    init(_ arguments: [String], in directory: borrowing FileDescriptor) {
        let number = directory.number
        traces = arguments.compactMap { name in
            var status = stat()
            // A directory changes with each file in it, whatever that means to the program.
            guard fstatat(number, name, &status, 0) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
            return Named(name: name, trace: FileTrace(status))
        }
    }

    /// Returns the names of files that have changed, are gone, or whose name leads to another file now.
    func changed(in directory: borrowing FileDescriptor) -> [String] {
        let number = directory.number
        return traces.filter { FileTrace($0.name, in: number) != $0.trace }.map { $0.name }
    }
}
