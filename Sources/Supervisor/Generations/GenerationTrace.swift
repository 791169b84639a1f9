// What the daemon can see of a version of the program, so that it can tell whether a deploy brings anything new.
internal import Glibc
internal import Reloader

/// Two that differ are two versions. Two that are the same may still differ in what is not looked at: libraries, modules, a
/// database.
struct GenerationTrace: Equatable {
    private struct File: Equatable {
        let device: UInt64
        let inode: UInt64
        let size: Int
        let seconds: Int
        let nanoseconds: Int

        init(_ status: stat) {
            device = UInt64(status.st_dev)
            inode = UInt64(status.st_ino)
            size = Int(status.st_size)
            seconds = status.st_mtim.tv_sec
            nanoseconds = status.st_mtim.tv_nsec
        }
    }

    private let program: Program
    /// How many workers there are makes no version.
    private let policy: Policy
    /// A hash, in which what the environment's files say is contained; it may hold secrets.
    private let environment: Int
    private let executable: File
    /// A file that is made or replaced in it changes it, too.
    private let directory: File?
    /// By argument: of an interpreter the program, of others a configuration. nil: no file.
    private let arguments: [File?]

    init(_ generation: Generation, _ policy: Policy) {
        program = generation.program
        var policy = policy
        policy.workers = 0
        self.policy = policy
        environment = Self.hash(generation.environment)
        executable = File(generation.executable.status)
        let directory = generation.directory.number
        var status = stat()
        self.directory = fstat(directory, &status) == 0 ? File(status) : nil
        arguments = generation.program.arguments.map { argument in
            var status = stat()
            guard fstatat(directory, argument, &status, 0) == 0 else { return nil }
            return File(status)
        }
    }

    private static func hash(_ strings: CStrings) -> Int {
        var hasher = Hasher()
        for case let string? in strings.pointers {
            hasher.combine(bytes: UnsafeRawBufferPointer(start: string, count: strlen(string) + 1))
        }
        return hasher.finalize()
    }
}
