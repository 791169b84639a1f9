// Lines from a pipe, waited for.
import Glibc

final class LineReader {
    private let number: Int32
    private var bytes: [UInt8] = []
    private var isAtEnd = false

    init(owning number: Int32) { self.number = number }

    /// The next line; nil at the end. Waits for it, as long as the patience of the tests goes.
    func next() throws -> String? {
        while true {
            if let end = bytes.firstIndex(of: UInt8(ascii: "\n")) {
                defer { bytes.removeFirst(end + 1) }
                return String(decoding: bytes[..<end], as: UTF8.self)
            }
            if isAtEnd {
                defer { bytes = [] }
                return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
            }
            try readMore()
        }
    }

    /// All lines up to the end.
    func rest() throws -> [String] {
        var lines: [String] = []
        while let line = try next() { lines.append(line) }
        return lines
    }

    /// All that comes up to the end, as it is.
    func text() throws -> String {
        while !isAtEnd { try readMore() }
        defer { bytes = [] }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func readMore() throws {
        try Patience.waitForInput(
            on: number, orSay: "no further line comes; unfinished: \(String(decoding: bytes, as: UTF8.self))")
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = read(number, &chunk, chunk.count)
        if count > 0 {
            bytes += chunk[..<count]
        } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
            isAtEnd = true
        }
    }

    deinit { close(number) }
}

/// Waits for what comes through a descriptor, no longer than any single event may take.
enum Patience {
    /// Returns when the descriptor can be read, be it its end; throws the message if nothing comes.
    static func waitForInput(on number: Int32, orSay message: @autoclosure () -> String) throws {
        var request = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        while true {
            let count = poll(&request, 1, ChildProcess.patienceMilliseconds)
            if count > 0 { return }
            if count == 0 || errno != EINTR { throw DidNotHappen(description: message()) }
        }
    }
}
