// One connection to a server, held as long as a test wants: asks when told, and reads answers or the end.
import Glibc

final class Asker {
    private let number: Int32

    /// Connects; the kernel does that even if nobody accepts.
    convenience init(_ port: Int) throws { try self.init(.ipv4("127.0.0.1", port), SOCK_STREAM) }

    /// Sends one datagram.
    convenience init(datagrams port: Int, asking text: String) throws {
        try self.init(.ipv4("127.0.0.1", port), SOCK_DGRAM)
        _ = send(number, text, text.utf8.count, 0)
    }

    private init(_ address: Client.Address, _ type: __socket_type) throws {
        number = Client.connected(address, type)
        guard number >= 0 else {
            throw DidNotHappen(description: "cannot connect to \(address): \(String(cString: strerror(errno)))")
        }
    }

    /// Connects, and asks.
    convenience init(_ port: Int, asking path: String, keepsAlive: Bool = false) throws {
        try self.init(port)
        ask(path, keepsAlive: keepsAlive)
    }

    /// The same, wherever the listener is.
    convenience init(_ address: Client.Address, asking path: String) throws {
        try self.init(address, SOCK_STREAM)
        ask(path)
    }

    func ask(_ path: String = "/", keepsAlive: Bool = false) {
        let end = keepsAlive ? "\r\n" : "Connection: close\r\n\r\n"
        let request = Array("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\(end)".utf8)
        _ = send(number, request, request.count, Int32(MSG_NOSIGNAL))
    }

    /// Reads one answer, up to the line that says who it is from; nil if the connection ends or is reset instead.
    func answer() throws -> ServedBy? {
        var bytes: [UInt8] = []
        while true {
            let text = String(decoding: bytes, as: UTF8.self)
            let isWhole = text.hasPrefix("HTTP/1.") ? text.dropFirst(8).hasPrefix(" 200") && text.hasSuffix("\n") : true
            if isWhole, let answer = ServedBy(text) { return answer }
            guard let more = try receive(), !more.isEmpty else { return nil }
            bytes += more
        }
    }

    /// Waits for the end of the connection; false if more bytes come, or a reset.
    func isClosedInTheEnd() throws -> Bool { try receive()?.isEmpty ?? false }

    /// nil: it was reset. Empty: it has ended.
    private func receive() throws -> [UInt8]? {
        try Patience.waitForInput(on: number, orSay: "no answer within patience")
        var chunk = [UInt8](repeating: 0, count: 4096)
        let count = read(number, &chunk, chunk.count)
        return count < 0 ? nil : Array(chunk[..<count])
    }

    deinit { close(number) }
}

/// The worker that answered.
struct ServedBy: Hashable {
    var slot: Int
    var generation: Int
    var pid: Int32

    init?(_ text: String) {
        var numbers: [Substring: Int] = [:]
        for word in text.split(whereSeparator: \.isWhitespace) {
            let parts = word.split(separator: "=", maxSplits: 1)
            if parts.count == 2, let value = Int(parts[1]) { numbers[parts[0]] = value }
        }
        guard let slot = numbers["slot"], let generation = numbers["generation"], let pid = numbers["pid"] else {
            return nil
        }
        self.slot = slot
        self.generation = generation
        self.pid = Int32(pid)
    }
}
