// What there is to tell of a generation, also when it is no more.
internal import Glibc

struct GenerationFacts {
    let number: Int
    let executable: String
    let inode: UInt64
    let modifiedAt: timespec
    let workingDirectory: String
    let madeAt: timespec
    let note: String?
    let changedFiles: [String]

    init(_ generation: Generation) {
        number = generation.number
        executable = generation.executable.path
        inode = UInt64(generation.executable.status.st_ino)
        modifiedAt = generation.executable.status.st_mtim
        workingDirectory = pathOfDescriptor(generation.directory.number) ?? generation.program.workingDirectory ?? "."
        madeAt = generation.madeAt
        note = generation.note
        changedFiles = generation.changedFiles
    }

    /// As the history has it.
    var executableJSON: JSON {
        [
            "path": .string(executable), "inode": .integer(Int(clamping: inode)),
            "mtime": .string(LogFormatter.timestamp(modifiedAt)),
        ]
    }
}
