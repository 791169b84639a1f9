// Named pipes of a test's own: a gate, at which workers wait, and a FIFO, in which they say something.
import Glibc

final class Gate {
    /// What `gate` of worker.py takes, or `read` of a shell.
    let path: String
    private let number: Int32

    init(in folder: TestFolder, _ name: String = "gate") throws {
        path = "\(folder.path)/\(name)"
        guard mkfifo(path, 0o666) == 0 else { throw DidNotHappen(description: "no FIFO \(path)") }
        number = Glibc.open(path, O_RDWR | O_CLOEXEC)
        guard number >= 0 else { throw DidNotHappen(description: "cannot open \(path)") }
    }

    func letPass(_ count: Int = 1) {
        let newlines = [UInt8](repeating: UInt8(ascii: "\n"), count: count)
        _ = write(number, newlines, count)
    }

    deinit { close(number) }
}

/// A named pipe of a test's own: what a process writes there is waited for, whatever became of its standard output.
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
