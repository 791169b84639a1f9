// A FIFO that workers wait at: who reads a line from it goes on.
import Glibc

final class Gate {
    let path: String
    private let number: Int32

    init(_ path: String) throws {
        self.path = path
        guard mkfifo(path, 0o600) == 0 else {
            throw DidNotHappen(description: "no FIFO \(path): \(String(cString: strerror(errno)))")
        }
        // Reading as well, so that nothing here waits for a reader.
        number = Glibc.open(path, O_RDWR | O_CLOEXEC)
    }

    /// Lets one through, now or when it comes.
    func letOneThrough() { _ = write(number, "\n", 1) }

    deinit { close(number) }
}
