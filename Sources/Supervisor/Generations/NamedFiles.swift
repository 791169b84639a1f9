// The files that a generation's arguments name, of an interpreter the program itself: they are not pinned, so a worker
// that is started later runs what they hold by then.
internal import Glibc

struct NamedFiles {
    private let traces: [(name: String, trace: FileTrace)]

    /// - Parameter directory: what relative names are relative to.
    init(_ arguments: [String], in directory: borrowing FileDescriptor) {
        let number = directory.number
        traces = arguments.compactMap { name in
            var status = stat()
            // A directory changes with each file in it, whatever that means to the program.
            guard fstatat(number, name, &status, 0) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
            return (name, FileTrace(status))
        }
    }

    /// Those that are not what they were, or are gone; also those whose name leads to another file now.
    func changed(in directory: borrowing FileDescriptor) -> [String] {
        let number = directory.number
        return traces.filter { FileTrace($0.name, in: number) != $0.trace }.map { $0.name }
    }
}
