// A connection to a server of any protocol: says what a test wants, and hears what comes.
import Glibc

final class Dialogue {
    private let number: Int32
    private var heard: [UInt8] = []

    init(_ port: Int) throws {
        number = Client.connected(.ipv4("127.0.0.1", port))
        guard number >= 0 else { throw DidNotHappen(description: "cannot connect to \(port)") }
        // Each text is a segment of its own.
        var one: Int32 = 1
        setsockopt(number, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    }

    func say(_ text: String) { say(Array(text.utf8)) }

    func say(_ bytes: [UInt8]) { _ = send(number, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

    /// No more will be said, though more may be heard.
    func saysNoMore() { shutdown(number, Int32(SHUT_WR)) }

    /// The text that comes up to and with these words; nil if the connection ends or is reset before.
    func hear(_ end: String) throws -> String? {
        let end = Array(end.utf8)
        while true {
            if let range = heard.firstRange(of: end) {
                defer { heard.removeFirst(range.upperBound) }
                return String(decoding: heard[..<range.upperBound], as: UTF8.self)
            }
            guard let more = try receive(), !more.isEmpty else { return nil }
            heard += more
        }
    }

    /// Waits for the end of the connection; false if something else comes.
    func isClosedInTheEnd() throws -> Bool { try heard.isEmpty && receive()?.isEmpty ?? false }

    /// Bytes, none at the end, nil after a reset.
    private func receive() throws -> [UInt8]? {
        try Patience.waitForInput(on: number, orSay: "nothing more is heard after \(heard.count) bytes")
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = recv(number, &bytes, bytes.count, 0)
        return count < 0 ? nil : Array(bytes[..<count])
    }

    deinit { close(number) }
}
