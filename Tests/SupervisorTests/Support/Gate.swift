// Where workers wait until the test lets them pass: a FIFO, held open at both ends, with a newline for each that may go
// on.
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
