// A named pipe of a test's own: what a process writes there is waited for, whatever became of its standard output.
import Glibc

final class Fifo {
    let path: String
    let lines: LineReader

    init(in folder: TestFolder, named name: String = "fifo") throws {
        path = "\(folder.path)/\(name)"
        // Both ends are ours, so that neither opening it nor a writer that goes ends anything.
        let number = mkfifo(path, 0o666) == 0 ? open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC) : -1
        guard number >= 0 else { throw DidNotHappen(description: "no FIFO: \(String(cString: strerror(errno)))") }
        chmod(path, 0o666)
        lines = LineReader(owning: number)
    }
}
