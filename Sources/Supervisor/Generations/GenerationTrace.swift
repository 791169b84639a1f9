// What the daemon can see of a version of the program, so that it can tell whether a deploy brings anything new.
internal import Glibc
internal import Reloader

/// Two that differ are two versions. Two that are the same may still differ in what is not looked at: libraries,
/// modules, a database.
struct GenerationTrace: Equatable {
    private let program: Program
    /// How many workers there are makes no version.
    private let policy: Policy
    /// A hash, in which what the environment's files say is contained; it may hold secrets.
    private let environment: Int
    private let executable: FileTrace
    /// A file that is made or replaced in it changes it, too.
    private let directory: FileTrace?
    /// By argument: of an interpreter the program, of others a configuration. nil: no file.
    private let arguments: [FileTrace?]

    init(_ generation: Generation, _ policy: Policy) {
        program = generation.program
        var policy = policy
        policy.workers = 0
        self.policy = policy
        environment = Self.hash(generation.environment)
        executable = FileTrace(generation.executable.status)
        let directory = generation.directory.number
        self.directory = FileTrace(".", in: directory)
        arguments = generation.program.arguments.map { FileTrace($0, in: directory) }
    }

    private static func hash(_ strings: CStrings) -> Int {
        var hasher = Hasher()
        for case let string? in strings.pointers {
            hasher.combine(bytes: UnsafeRawBufferPointer(start: string, count: strlen(string) + 1))
        }
        return hasher.finalize()
    }
}
