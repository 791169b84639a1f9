// A pipe(7) with an owner for each end.
internal import CLinux

struct Pipe: ~Copyable {
    let readEnd: FileDescriptor
    let writeEnd: FileDescriptor

    /// Both ends close-on-exec; the read end does not block.
    init() throws(SystemError) {
        var ends: (Int32, Int32) = (-1, -1)
        try withUnsafeMutablePointer(to: &ends) { pointer throws(SystemError) in
            _ = try checked("pipe2") {
                UnsafeMutableRawPointer(pointer).withMemoryRebound(to: Int32.self, capacity: 2) { rl_pipe($0) }
            }
        }
        readEnd = FileDescriptor(owning: ends.0)
        writeEnd = FileDescriptor(owning: ends.1)
    }

    /// Keeps the read end and closes the write end.
    consuming func takeReadEnd() -> FileDescriptor { readEnd }
}
